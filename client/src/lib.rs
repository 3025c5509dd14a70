//! The Quipu server.
