//! From a host's name to a QUIC connection with the right server.

pub(crate) mod dial;
pub(crate) mod endpoint;
pub(crate) mod transport;
