//! A corpus: inputs that are worth trying again, one a line, in hexadecimal digits.

/// Hands every input of a file to `run`. A panic names the line.
pub(crate) fn replay(file: &str, run: fn(&[u8])) {
    for (at, line) in file.lines().enumerate() {
        let _named = Line(at + 1);
        run(&unhex(line));
    }
}

struct Line(usize);

impl Drop for Line {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("line {} of the corpus", self.0);
        }
    }
}

fn unhex(line: &str) -> Vec<u8> {
    let digits = |at| line.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    (0..line.len()).step_by(2).map(|at| digits(at).expect("a line has hexadecimal digits")).collect()
}
