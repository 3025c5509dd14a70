//! `search`: messages by what they say, newest first.

use std::collections::HashMap;
use std::str::FromStr;

use quipu_client::Client;
use quipu_client::protocol::limits::{HITS_MAX, SEARCH_BYTES_MAX};
use quipu_client::protocol::request::{Found, Hit, PartialRoom, Search as Question, SearchPlace};
use quipu_client::protocol::{List, RoomId, Seq, Text};
use serde_json::Value;

use super::args::Search;
use super::context::{Context, now_ms};
use super::exit::Failure;
use super::out::Out;
use super::parse::Since;
use super::record::Record;
use super::render;
use super::room::{Names, Room, find, person};

/// Searches, and prints what was found and what was not searched.
pub(crate) async fn run(context: &Context, out: &mut Out, args: Search) -> Result<(), Failure> {
    let typed = typed(&args)?;
    let session = context.start().await?;
    let mut question = Question {
        since_ms: args.since.map(moment),
        until_ms: args.until.map(moment),
        has_file: args.has_file.then_some(true),
        after: args.next.map(|place| place.0),
        ..Question::for_words(typed)
    };
    if let Some(author) = &args.from {
        question.author = Some(person(&session.client, author).await?);
    }
    let mut rooms = HashMap::new();
    if !args.room.is_empty() {
        let mut ids = Vec::new();
        for room in &args.room {
            let room = find(&session.client, room).await?;
            ids.push(room.id);
            rooms.insert(room.id, room);
        }
        let too_many = |_| Failure::Usage("too many rooms; leave --room out to search all of them".into());
        question.rooms = Some(List::new(ids).map_err(too_many)?);
    }
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let found = gather(&session.client, question, limit).await?;
    let known = session.client.rooms(true).await.unwrap_or_default();
    rooms.extend(known.iter().map(|summary| (summary.info.room, Room::of(&summary.info))));
    let room = |id: RoomId| rooms.get(&id).cloned().unwrap_or_else(|| Room::unnamed(id));
    let mut names = session.names();
    names.fetch(&session.client, found.hits.iter().filter_map(|hit| hit.user)).await;
    for hit in &found.hits {
        let room = room(hit.room);
        out.put(&record(&room, hit, &names), || line(context, &room, hit, &names))?;
    }
    if out.is_json() {
        return out.record(&summary(&found, room));
    }
    for remark in remarks(context, &found, limit, room) {
        out.remark(remark)?;
    }
    Ok(())
}

/// The words as the server reads them.
fn typed(args: &Search) -> Result<Text<SEARCH_BYTES_MAX>, Failure> {
    let without = args.without.iter().map(|words| format!("-\"{}\"", words.replace('"', " ")));
    let typed: Vec<String> = args.words.iter().cloned().chain(without).collect();
    let typed = typed.join(" ");
    if typed.is_empty() && args.from.is_none() && !args.has_file {
        return Err(Failure::Usage("say what to search for: words, --from or --has-file".into()));
    }
    Text::new(typed).map_err(|_| Failure::Usage(format!("a search has at most {SEARCH_BYTES_MAX} bytes")))
}

fn moment(when: When) -> u64 {
    match when.0 {
        Since::At(at_ms) => at_ms,
        Since::Ago(ago) => now_ms().saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)),
        _ => 0,
    }
}

/// Everything that was found, in as many answers as it took.
struct Gathered {
    hits: Vec<Hit>,
    ignored: Vec<String>,
    partial: Vec<PartialRoom>,
    next: Option<SearchPlace>,
}

async fn gather(client: &Client, mut question: Question, limit: usize) -> Result<Gathered, Failure> {
    let mut all = Gathered { hits: Vec::new(), ignored: Vec::new(), partial: Vec::new(), next: None };
    for _ in 0..ANSWERS_MAX {
        question.limit = (limit - all.hits.len()).min(HITS_MAX) as u64;
        let Found { hits, ignored, partial, next } = client.search(&question).await?;
        all.hits.extend(hits.into_vec());
        all.ignored = ignored.into_vec().into_iter().map(|part| part.as_str().to_owned()).collect();
        all.partial = partial.into_vec();
        all.next = next.clone();
        question.after = next;
        if question.after.is_none() || all.hits.len() >= limit {
            break;
        }
    }
    Ok(all)
}

/// `2026-11-23 09:15 #lobby [42] ada: the backup is done`, one line whatever it says.
fn line(context: &Context, room: &Room, hit: &Hit, names: &Names) -> String {
    let at = context.time.day_and_minute(hit.at_ms);
    let author = hit.user.map_or_else(|| "the server".to_owned(), |user| names.label(user));
    let more = |more: bool| if more { "…" } else { "" };
    let text = render::line(hit.text.as_str());
    format!(
        "{at} {} [{}] {author}: {}{text}{}",
        room.label,
        hit.at.seq,
        more(hit.more_before),
        more(hit.more_after)
    )
}

fn record(room: &Room, hit: &Hit, names: &Names) -> Record {
    let matches: Vec<Value> = hit.matches.iter().map(|at| vec![at.start, at.end].into()).collect();
    Record::at("found", room, hit.at)
        .moment(hit.at_ms)
        .maybe("user", hit.user.map(|user| user.to_string()))
        .maybe("nickname", hit.user.and_then(|user| names.get(user)))
        .with("text", hit.text.as_str())
        .with("matches", matches)
        .with("more_before", hit.more_before)
        .with("more_after", hit.more_after)
}

fn summary(found: &Gathered, room: impl Fn(RoomId) -> Room) -> Record {
    let partial = found.partial.iter().map(|partial| {
        let mut object = serde_json::Map::new();
        object.insert("room".into(), partial.room.to_string().into());
        object.extend(room(partial.room).name.map(|name| ("room_name".to_owned(), Value::from(name))));
        object.insert("since".into(), partial.since.0.into());
        Value::from(object)
    });
    Record::new("searched")
        .with("hits", found.hits.len())
        .with("ignored", found.ignored.clone())
        .with("partial", partial.collect::<Vec<_>>())
        .maybe("next", found.next.clone().map(|place| Place(place).to_string()))
}

/// What else there is to say: what was not looked up, and where to go on.
fn remarks(context: &Context, found: &Gathered, limit: usize, room: impl Fn(RoomId) -> Room) -> Vec<String> {
    let mut remarks = Vec::new();
    if found.hits.is_empty() && found.next.is_none() {
        remarks.push("nothing found".to_owned());
    }
    for part in &found.ignored {
        let part = render::line(part);
        remarks.push(format!(
            "not searched for: {part} (no letter or digit in it, too short a beginning, or too many words)"
        ));
    }
    for PartialRoom { room: of, since: Seq(since) } in &found.partial {
        let label = room(*of).label;
        remarks.push(format!(
            "the server is still going through {label}: entries before {since} were not searched"
        ));
    }
    if let Some(place) = &found.next {
        let how_far = match found.hits.len() >= limit {
            true => "there may be more".to_owned(),
            false => format!("searched back to {}", context.time.day_and_minute(place.at_ms)),
        };
        remarks.push(format!("{how_far}: --next {}", Place(place.clone())));
    }
    remarks
}

/// A moment: so long ago, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct When(Since);

impl FromStr for When {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(since @ (Since::Ago(_) | Since::At(_))) => Ok(Self(since)),
            _ => Err("say a duration (1h: so long ago) or a time (2026-11-23T09:15:00Z)"),
        }
    }
}

/// Where to go on, as it is printed and given back: time, room and position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place(SearchPlace);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0.at_ms, self.0.room, self.0.seq)
    }
}

impl FromStr for Place {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('.');
        let place = (|| {
            Some(SearchPlace {
                at_ms: parts.next()?.parse().ok()?,
                room: parts.next()?.parse().ok()?,
                seq: Seq(parts.next()?.parse().ok()?),
            })
        })();
        let place = place.filter(|_| parts.next().is_none());
        place.map(Self).ok_or("say the place as an earlier search printed it behind --next")
    }
}

/// Answers to wait for at most before saying how far it came: millions of entries.
const ANSWERS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_as_it_was_printed() {
        let place =
            Place(SearchPlace { at_ms: 1_795_425_304_123, room: RoomId::from_bytes([7; 16]), seq: Seq(42) });
        assert_eq!(place.to_string().parse(), Ok(place));
        for wrong in ["", "1.2", "1.x.2", "1.07070707070707070707070707070707.2.3"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_moment_is_no_cursor() {
        assert!("1h".parse::<When>().is_ok() && "2026-11-23T09:15:00Z".parse::<When>().is_ok());
        assert!(["start", "resume", "1.42", "x"].iter().all(|text| text.parse::<When>().is_err()));
    }
}
