//! Compiles a table of seccomp rules to a BPF program. Pure; a table may answer several errors, which ready-made compilers do not offer.
//!
//! Rows are found by binary search: the kernel runs the program once per call number when a filter is installed.

use std::ops::Range;

/// What the kernel does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Allow,
    Errno(i32),
    Kill,
    /// Held for the supervisor.
    Hold,
}

/// A test on the low 32 bits of an argument (by place, from 0). Used only on arguments the kernel itself cuts to 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Equal(usize, u32),
    NotEqual(usize, u32),
    AnyBit(usize, u32),
    /// (place, mask, value): `argument & mask == value`.
    MaskedEqual(usize, u32, u32),
    /// (place, mask, value): `argument & mask != value`.
    MaskedNotEqual(usize, u32, u32),
    OneOf(usize, &'static [u32]),
    NoneOf(usize, &'static [u32]),
    /// (place, value, pointer): the argument is this value, and the one at `pointer` is not null in all its 64 bits.
    EqualAndSet(usize, u32, usize),
}

/// One call: the first case that holds answers, else `otherwise`.
#[derive(Debug, Clone)]
pub struct Row {
    pub call: i64,
    pub cases: Vec<(When, Answer)>,
    pub otherwise: Answer,
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
/// Numbers from here on are x32 calls on x86-64.
#[cfg(target_arch = "x86_64")]
const X32: Option<u32> = Some(0x4000_0000);
#[cfg(not(target_arch = "x86_64"))]
const X32: Option<u32> = None;

const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCHITECTURE: u32 = 4;
const OFFSET_ARGUMENTS: u32 = 16;
/// Rows tested one after the other at a leaf of the search.
const LEAF_ROWS: usize = 3;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const IF_BITS: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const JUMP: u32 = libc::BPF_JMP | libc::BPF_JA;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

const fn code(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

fn answer(answer: Answer) -> libc::sock_filter {
    let value = match answer {
        Answer::Allow => libc::SECCOMP_RET_ALLOW,
        Answer::Errno(errno) => libc::SECCOMP_RET_ERRNO | (errno as u32 & libc::SECCOMP_RET_DATA),
        Answer::Kill => libc::SECCOMP_RET_KILL_PROCESS,
        Answer::Hold => libc::SECCOMP_RET_USER_NOTIF,
    };
    code(RETURN, value, 0, 0)
}

/// Loads the argument and answers when the test holds; falls through when not.
fn case(when: When, then: Answer, out: &mut Vec<libc::sock_filter>) {
    let load = |place: usize| code(LOAD, OFFSET_ARGUMENTS + 8 * place as u32, 0, 0);
    match when {
        When::Equal(place, value) => out.extend([load(place), code(IF_EQUAL, value, 0, 1)]),
        When::NotEqual(place, value) => out.extend([load(place), code(IF_EQUAL, value, 1, 0)]),
        When::AnyBit(place, bits) => out.extend([load(place), code(IF_BITS, bits, 0, 1)]),
        When::MaskedEqual(place, mask, value) => {
            out.extend([load(place), code(AND, mask, 0, 0), code(IF_EQUAL, value, 0, 1)]);
        }
        When::MaskedNotEqual(place, mask, value) => {
            out.extend([load(place), code(AND, mask, 0, 0), code(IF_EQUAL, value, 1, 0)]);
        }
        When::OneOf(place, values) => {
            out.push(load(place));
            for (index, value) in values.iter().enumerate() {
                let later = (values.len() - index - 1) as u8;
                let miss = u8::from(later == 0);
                out.push(code(IF_EQUAL, *value, later, miss));
            }
        }
        When::NoneOf(place, values) => {
            out.push(load(place));
            for (index, value) in values.iter().enumerate() {
                // Past the later tests and the answer.
                out.push(code(IF_EQUAL, *value, (values.len() - index) as u8, 0));
            }
        }
        When::EqualAndSet(place, value, pointer) => {
            let upper = code(LOAD, OFFSET_ARGUMENTS + 8 * pointer as u32 + 4, 0, 0);
            out.extend([load(place), code(IF_EQUAL, value, 0, 5)]);
            out.extend([load(pointer), code(IF_EQUAL, 0, 0, 2)]);
            out.extend([upper, code(IF_EQUAL, 0, 1, 0)]);
        }
    }
    out.push(answer(then));
}

fn body(row: &Row) -> Vec<libc::sock_filter> {
    let mut out = Vec::new();
    for (when, then) in &row.cases {
        case(*when, *then, &mut out);
    }
    out.push(answer(row.otherwise));
    out
}

fn search(rows: &[Row], range: Range<usize>, out: &mut Vec<libc::sock_filter>) {
    if range.len() <= LEAF_ROWS {
        for row in &rows[range] {
            let body = body(row);
            out.push(code(IF_EQUAL, row.call as u32, 0, body.len() as u8));
            out.extend(body);
        }
        out.push(answer(Answer::Allow));
        return;
    }
    let middle = range.start + range.len() / 2;
    let mut lower = Vec::new();
    search(rows, range.start..middle, &mut lower);
    out.push(code(IF_AT_LEAST, rows[middle].call as u32, 0, 1));
    out.push(code(JUMP, lower.len() as u32, 0, 0));
    out.extend(lower);
    search(rows, middle..range.end, out);
}

/// The program for these rows. Calls of another architecture kill the process; a call without a row is allowed.
/// Of two rows for one call the first counts.
#[must_use]
pub fn compile(mut rows: Vec<Row>) -> Vec<libc::sock_filter> {
    rows.sort_by_key(|row| row.call);
    rows.dedup_by_key(|row| row.call);
    let mut out = vec![
        code(LOAD, OFFSET_ARCHITECTURE, 0, 0),
        code(IF_EQUAL, ARCHITECTURE, 1, 0),
        answer(Answer::Kill),
        code(LOAD, OFFSET_NUMBER, 0, 0),
    ];
    if let Some(first) = X32 {
        out.extend([code(IF_AT_LEAST, first, 0, 1), answer(Answer::Kill)]);
    }
    search(&rows, 0..rows.len(), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the kernel sees of a call.
    #[derive(Debug, Clone)]
    struct Call {
        number: u32,
        architecture: u32,
        arguments: [u64; 6],
    }

    /// A second, independent reading of the program: the machine of the kernel's documentation.
    fn run(program: &[libc::sock_filter], call: &Call) -> u32 {
        let word = |offset: u32| match offset {
            0 => call.number,
            4 => call.architecture,
            _ => (call.arguments[((offset - 16) / 8) as usize] >> (8 * ((offset - 16) % 8))) as u32,
        };
        let (mut at, mut accumulator) = (0_usize, 0_u32);
        loop {
            let step = program[at];
            at += 1;
            let branch = |holds: bool| usize::from(if holds { step.jt } else { step.jf });
            match u32::from(step.code) {
                LOAD => accumulator = word(step.k),
                AND => accumulator &= step.k,
                IF_EQUAL => at += branch(accumulator == step.k),
                IF_AT_LEAST => at += branch(accumulator >= step.k),
                IF_BITS => at += branch(accumulator & step.k != 0),
                JUMP => at += step.k as usize,
                RETURN => return step.k,
                other => unreachable!("{other}"),
            }
        }
    }

    fn meaning(rows: &[Row], call: &Call) -> Answer {
        let Some(row) = rows.iter().find(|row| row.call as u32 == call.number) else {
            return Answer::Allow;
        };
        let low = |place: usize| call.arguments[place] as u32;
        for (when, then) in &row.cases {
            let holds = match *when {
                When::Equal(place, value) => low(place) == value,
                When::NotEqual(place, value) => low(place) != value,
                When::AnyBit(place, bits) => low(place) & bits != 0,
                When::MaskedEqual(place, mask, value) => low(place) & mask == value,
                When::MaskedNotEqual(place, mask, value) => low(place) & mask != value,
                When::OneOf(place, values) => values.contains(&low(place)),
                When::NoneOf(place, values) => !values.contains(&low(place)),
                When::EqualAndSet(place, value, pointer) => low(place) == value && call.arguments[pointer] != 0,
            };
            if holds {
                return *then;
            }
        }
        row.otherwise
    }

    fn answers() -> impl Strategy<Value = Answer> {
        prop_oneof![
            Just(Answer::Allow),
            (1..134).prop_map(Answer::Errno),
            Just(Answer::Kill),
            Just(Answer::Hold)
        ]
    }

    fn tests() -> impl Strategy<Value = When> {
        let place = 0..6_usize;
        prop_oneof![
            (place.clone(), 0..8_u32).prop_map(|(p, v)| When::Equal(p, v)),
            (place.clone(), 0..8_u32).prop_map(|(p, v)| When::NotEqual(p, v)),
            (place.clone(), 0..8_u32).prop_map(|(p, v)| When::AnyBit(p, v)),
            (place.clone(), 0..8_u32, 0..8_u32).prop_map(|(p, m, v)| When::MaskedEqual(p, m, v)),
            (place.clone(), 0..8_u32, 0..8_u32).prop_map(|(p, m, v)| When::MaskedNotEqual(p, m, v)),
            place.clone().prop_map(|p| When::OneOf(p, &[0, 3, 5])),
            place.clone().prop_map(|p| When::NoneOf(p, &[0, 3, 5])),
            (place.clone(), 0..8_u32, place).prop_map(|(p, v, q)| When::EqualAndSet(p, v, q)),
        ]
    }

    proptest! {
        #[test]
        fn the_program_means_what_the_table_says(
            table in prop::collection::vec((0..120_i64, prop::collection::vec((tests(), answers()), 0..4), answers()), 0..90),
            calls in prop::collection::vec((0..130_u32, prop::array::uniform6(prop_oneof![0..9_u64, any::<u64>(), any::<u32>().prop_map(|upper| u64::from(upper) << 32)])), 1..60),
        ) {
            let mut rows: Vec<Row> =
                table.into_iter().map(|(call, cases, otherwise)| Row { call, cases, otherwise }).collect();
            let program = compile(rows.clone());
            prop_assert!(program.len() <= 4096);
            let mut seen = std::collections::BTreeSet::new();
            rows.retain(|row| seen.insert(row.call));
            for (number, arguments) in calls {
                let call = Call { number, architecture: ARCHITECTURE, arguments };
                prop_assert_eq!(run(&program, &call), answer(meaning(&rows, &call)).k, "{:?}", call);
            }
        }
    }

    #[test]
    fn foreign_architectures_and_x32_are_killed() {
        let program = compile(Vec::new());
        let kill = libc::SECCOMP_RET_KILL_PROCESS;
        let call = |number, architecture| Call {
            number,
            architecture,
            arguments: [0; 6],
        };
        assert_eq!(run(&program, &call(1, 0x4000_0003)), kill);
        assert_eq!(run(&program, &call(1, ARCHITECTURE)), libc::SECCOMP_RET_ALLOW);
        if X32.is_some() {
            assert_eq!(run(&program, &call(0x4000_0001, ARCHITECTURE)), kill);
        }
    }
}
