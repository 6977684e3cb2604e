//! Prints the protocol in TypeScript.

fn main() {
    print!("{}", fanfare_proto::typescript::generate());
}
