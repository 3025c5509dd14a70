//! `deactivate`, `reactivate`, `server-role`, `purge-user`: accounts, for those who run the server.

use super::args::{Person, PurgeUser, ServerRoleOf};
use super::context::Context;
use super::exit::Failure;
use super::out::Out;
use super::room::{find, person};
use super::rooms::done;

/// Shuts an account out.
pub(crate) async fn deactivate(context: &Context, out: &mut Out, args: Person) -> Result<(), Failure> {
    let session = context.start().await?;
    let user = person(&session.client, &args.person).await?;
    session.client.deactivate(user, args.why.reason).await?;
    done(out, "deactivated", user.to_string(), || format!("{} is shut out", args.person))
}

/// Lets a deactivated account in again.
pub(crate) async fn reactivate(context: &Context, out: &mut Out, args: Person) -> Result<(), Failure> {
    let session = context.start().await?;
    let user = person(&session.client, &args.person).await?;
    session.client.reactivate(user, args.why.reason).await?;
    done(out, "reactivated", user.to_string(), || format!("{} may come back", args.person))
}

/// Gives an account another role on the server.
pub(crate) async fn server_role(context: &Context, out: &mut Out, args: ServerRoleOf) -> Result<(), Failure> {
    let session = context.start().await?;
    let user = person(&session.client, &args.person).await?;
    session.client.set_server_role(user, args.role, args.why.reason).await?;
    let text = || format!("{} is {} on the server now", args.person, args.role.word());
    done(out, "server-role-set", user.to_string(), text)
}

/// Erases everything somebody wrote.
pub(crate) async fn purge_user(context: &Context, out: &mut Out, args: PurgeUser) -> Result<(), Failure> {
    let session = context.start().await?;
    let user = person(&session.client, &args.person).await?;
    let room = match &args.room {
        Some(room) => Some(find(&session.client, room).await?),
        None => None,
    };
    session.client.purge(user, room.as_ref().map(|room| room.id), args.why.reason).await?;
    let place = room.map_or_else(|| "everywhere".to_owned(), |room| format!("in {}", room.label));
    done(out, "purged", user.to_string(), || format!("what {} wrote {place} is gone", args.person))
}
