//! Raw bytes, into everything that takes bytes or text from outside.

use super::common::decoders::feed_everything;

/// Goal: no bytes make a decoder panic, and what one takes is what was sent.
pub(crate) fn run(data: &[u8]) {
    feed_everything(data);
}
