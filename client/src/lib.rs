//! The Quipu client library.

pub mod seams;
pub mod tls;
