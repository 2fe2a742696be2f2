//! A table made by hand.
