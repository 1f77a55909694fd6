//! What the compiler says. `TRYBUILD=overwrite cargo test -p newcomer --test compile` writes it anew; read
//! it then as somebody who sees it for the first time.

#[test]
fn mistakes_are_explained_by_the_compiler() {
    trybuild::TestCases::new().compile_fail("tests/compile/*.rs");
}
