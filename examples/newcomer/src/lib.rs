//! The mistakes of a first day with the library, and what each is told: by the compiler
//! (`tests/compile/`, a program and its error beside it) and by `build()` (`tests/refusals.txt`). Both
//! are part of the surface: a test holds them to the word.
