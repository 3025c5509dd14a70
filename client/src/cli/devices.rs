//! `whoami` and `devices`: this account, and where it is used.

use quipu_client::ErrorCode;

use super::args::{DeviceCommand, Devices};
use super::clock::distance;
use super::context::{Context, account, now_ms};
use super::exit::Failure;
use super::join::authority;
use super::out::Out;
use super::{record, render, rooms};

/// Shows who this profile is. Works offline.
pub(crate) async fn whoami(context: &Context, out: &mut Out) -> Result<(), Failure> {
    let client = context.open().await?;
    let account = account(&client).await?;
    if out.is_json() {
        return out.record(&record::account(&account, &context.profile));
    }
    let rows = [
        ("nickname", account.nickname.to_string()),
        ("role", account.role.word().into()),
        ("server", authority(&account)),
        ("fingerprint", quipu_client::fingerprint(&account.pin)),
        ("user", account.user.to_string()),
        ("device", format!("{} ({})", account.device, render::line(account.device_name.as_str()))),
        ("profile", context.profile.clone()),
    ];
    rows.into_iter().try_for_each(|(name, value)| out.text(&format!("{name:<12} {value}")))
}

/// Lists this account's devices, or shuts one out.
pub(crate) async fn run(context: &Context, out: &mut Out, args: Devices) -> Result<(), Failure> {
    match args.command {
        None => list(context, out).await,
        Some(DeviceCommand::Revoke { device, this }) => {
            let client = context.open().await?;
            if account(&client).await?.device == device && !this {
                return Err(Failure::Usage(
                    "that is the device you are using; say --this to shut it out nevertheless".into(),
                ));
            }
            client.start().await?;
            match client.revoke_device(device).await {
                // The server shut us out before it answered: that is the answer.
                Err(error) if this && error.code == ErrorCode::Revoked => {}
                result => result?,
            }
            rooms::done(out, "device-revoked", device.to_string(), || format!("device {device} is shut out"))
        }
    }
}

async fn list(context: &Context, out: &mut Out) -> Result<(), Failure> {
    let session = context.start().await?;
    let this = account(&session.client).await?.device;
    let mut devices = session.client.devices().await?;
    devices.sort_by_key(|device| (device.revoked_ms.is_some(), device.created_ms));
    let records: Vec<_> =
        devices.iter().map(|device| record::device(device, device.device == this)).collect();
    let now_ms = now_ms();
    out.rows(&records, |at| {
        let device = &devices[at];
        let state = match device.revoked_ms {
            Some(at_ms) => format!("revoked {}", distance(at_ms, now_ms)),
            None if device.device == this => "this device".into(),
            None if device.online => "online".into(),
            None => format!("seen {}", distance(device.seen_ms, now_ms)),
        };
        vec![device.device.to_string(), state, render::line(device.name.as_str()).into_owned()]
    })
}
