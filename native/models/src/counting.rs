//! Counts as providers tell them: under several names, as whole numbers or with a fraction, as null, or not at all. What is no count is
//! none: an answer that was paid for stays good, whatever is told about it.

use serde_json::Value;

/// What the first of `names` tells that is a count, rounded up.
pub fn counted(usage: &Value, names: &[&str]) -> Option<u32> {
    names.iter().find_map(|name| count(usage.get(name)?))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn count(told: &Value) -> Option<u32> {
    let up = told.as_f64()?.ceil();
    (0.0..=f64::from(u32::MAX)).contains(&up).then_some(up as u32)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_count_is_none() {
        let usage = json!({
            "whole": 7, "part": 7.2, "round": 7.0, "none": 0, "null": null, "text": "7", "less": -1, "more": 4_294_967_296_u64,
            "most": 4_294_967_295_u64, "huge": 1e300, "list": [7],
        });
        let one = |name: &str| counted(&usage, &[name]);
        assert_eq!([one("whole"), one("part"), one("round")], [Some(7), Some(8), Some(7)]);
        assert_eq!([one("none"), one("most")], [Some(0), Some(u32::MAX)]);
        for name in ["null", "text", "less", "more", "huge", "list", "absent"] {
            assert_eq!(one(name), None, "{name}");
        }
        assert_eq!(counted(&usage, &["null", "whole", "part"]), Some(7));
        for told in [json!(null), json!("7"), json!([7]), json!(7)] {
            assert_eq!(counted(&told, &["whole"]), None);
        }
    }
}
