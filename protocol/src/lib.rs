//! What Quipu peers say to each other.
