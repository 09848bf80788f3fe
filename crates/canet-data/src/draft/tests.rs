//! Trees of the forms that people have, drafted and read back.
