//! Search, on the server: in all rooms this account is in, or in some.

use quipu_protocol::request::{Found, Search};

use super::Client;
use crate::error::Error;

impl Client {
    /// Messages that say this, newest first. One answer may stop before everything was searched: [`Found::next`] says
    /// where, and the same question with `after` set to it goes on.
    ///
    /// # Errors
    /// A refusal, or why there is no connection.
    pub async fn search(&self, question: &Search) -> Result<Found, Error> {
        self.ask(question).await
    }
}
