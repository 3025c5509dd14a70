//! `doctor`: each step of connecting, one by one, for people whose chat does not work.

use quipu_client::Verdict;

use super::args::Doctor;
use super::context::Context;
use super::exit::Failure;
use super::input::Source;
use super::out::Out;
use super::{record, render};

/// Tries the steps, prints them, and fails with the first that does not work.
pub(crate) async fn run(context: &Context, out: &mut Out, args: Doctor) -> Result<(), Failure> {
    let link = match args.link.as_deref() {
        Some("-") => Some(Source::Stdin.whole().await?),
        Some(link) => Some(link.to_owned()),
        None => None,
    };
    let client = context.open().await?;
    let report = client.diagnose(link.as_deref().map(str::trim)).await?;
    for check in &report.checks {
        out.put(&record::check(check), || {
            let word = record::verdict_word(check.verdict);
            format!("{word:<9} {:<10} {}", check.name, render::line(&check.detail))
        })?;
    }
    out.flush()?;
    match report.checks.iter().find(|check| check.verdict == Verdict::Bad) {
        Some(check) => Err(Failure::Check { name: check.name, error: check.error }),
        None => Ok(()),
    }
}
