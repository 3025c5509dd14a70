//! `delete-room`, `delete-account`: what ends for good.

use quipu_client::protocol::Text;

use super::args::{DeleteAccountArgs, DeleteRoomArgs};
use super::context::Context;
use super::exit::Failure;
use super::out::Out;
use super::room::{find, person};
use super::rooms::done;

/// Deletes a room for good.
pub(crate) async fn delete_room(
    context: &Context,
    out: &mut Out,
    args: DeleteRoomArgs,
) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = find(&session.client, &args.room).await?;
    let confirm = args.confirm.strip_prefix('#').unwrap_or(&args.confirm);
    let confirm = Text::new(confirm).map_err(|_| Failure::Usage("no room has so long a name".into()))?;
    session.client.delete_room(room.id, confirm, args.why.reason).await?;
    done(out, "room-deleted", room.id.to_string(), || format!("{} is gone", room.label))
}

/// Deletes an account for good.
pub(crate) async fn delete_account(
    context: &Context,
    out: &mut Out,
    args: DeleteAccountArgs,
) -> Result<(), Failure> {
    let session = context.start().await?;
    let user = match &args.person {
        Some(nickname) => person(&session.client, nickname).await?,
        None => session.me,
    };
    session.client.delete_account(user, args.confirm.clone(), args.erase, args.why.reason).await?;
    let what = if args.erase { " with everything it wrote" } else { "" };
    done(out, "account-deleted", user.to_string(), || format!("the account {} is gone{what}", args.confirm))
}
