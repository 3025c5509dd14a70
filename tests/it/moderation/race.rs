//! A ban against messages that are under way: whatever the moment, the log says which came first.

use quipu_protocol::Kind;

use super::*;

/// Goal: every acknowledged message stands before the ban, every other one was refused, and nothing is both or neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_that_races_messages_has_one_outcome_the_logs() {
    const MESSAGES: usize = 60;
    let world = World::new().await;
    let mut outcomes = (0, 0);
    for round in 0..12 {
        let bob = world.bob.me.user;
        let speaking = async {
            let mut stream = world.bob.author().await;
            let mut answers = Vec::new();
            // A few at a time, so that some are under way whenever the ban comes.
            for chunk in 0..MESSAGES / 5 {
                for number in 0..5 {
                    stream.send(&draft(world.room, format!("{round}.{chunk}.{number}"))).await;
                }
                for _ in 0..5 {
                    answers.push(stream.published().await);
                }
            }
            answers
        };
        let banning = async {
            // Later in each round, so that the ban meets another moment.
            for _ in 0..round * 3 {
                say(&world.ada, world.room, "meanwhile").await.unwrap();
            }
            world.impose(&world.cyd, bob, Sanction::BAN, None).await.unwrap();
        };
        let (answers, ()) = tokio::join!(speaking, banning);
        let entries = log(&world.ada, world.room).await;
        let ban = entries.iter().rposition(|entry| entry.kind == Kind::SANCTION).unwrap();
        let prefix = format!("{round}.");
        let of_round = |entry: &&Entry| {
            entry.user == Some(bob) && entry.text().is_some_and(|text| text.starts_with(&prefix))
        };
        assert_eq!(entries[ban..].iter().filter(of_round).count(), 0, "round {round}: behind the ban");
        let written: Vec<_> = entries.iter().filter(of_round).map(|entry| entry.seq).collect();
        let acked: Vec<_> = answers.iter().filter_map(|answer| Some(answer.as_ref().ok()?.at.seq)).collect();
        assert_eq!(written, acked, "round {round}: what was acknowledged is what was written");
        let first_no = answers.iter().position(Result::is_err).unwrap_or(answers.len());
        assert!(answers[first_no..].iter().all(Result::is_err), "round {round}: refused once, refused on");
        outcomes = (outcomes.0 + acked.len(), outcomes.1 + answers.len() - acked.len());
        let lift = quipu_protocol::request::Lift {
            room: world.room,
            user: bob,
            sanction: Sanction::BAN,
            reason: None,
        };
        let _: Done = world.cyd.peer.ask(&lift).await.unwrap();
        enter(&world.bob, world.room).await.unwrap();
    }
    assert!(outcomes.0 > 0 && outcomes.1 > 0, "both outcomes were seen: {outcomes:?}");
}
