//! The Quipu server.

pub mod config;
pub mod seams;
pub mod tls;
