//! Every committed input holds: what fuzzing once found stays found.

use std::fs;
use std::path::Path;

use inferencekey_fuzz::TARGETS;

#[test]
fn every_committed_input_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let mut files: Vec<_> = fs::read_dir(corpus.join(name))
            .unwrap_or_else(|error| panic!("corpus/{name}: {error}"))
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        assert!(files.len() >= 5, "corpus/{name} has next to nothing");
        for file in files {
            // Shown if the target panics.
            println!("{}", file.display());
            target(&fs::read(&file).expect("a file"));
        }
    }
}
