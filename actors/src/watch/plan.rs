//! What a look decides: where the watching begins anew or goes on, and which windows close. Pure functions of what is known and
//! what is there.
//!
//! | occasion | decision |
//! | --- | --- |
//! | nothing was watched before, or another model is active now | a new run: predictions since the model's activation, points from now on |
//! | predictions that were read lie in the future: the clock was set back | a new run from now on |
//! | fewer rows than a window, and the oldest is not old | the window stays open |
//! | more rows than some windows | as many windows, larger ones |
//!
//! An alarm needs two windows in a row of one run, so a new run never has one by its beginning.

use chrono::{DateTime, TimeDelta, Utc};
use provost_domain::ModelId;
use provost_domain::watch::WindowKind;
use provost_domain::watch_record::{LogPosition, PointPosition, WatchState, WindowRun};

/// With fewer rows no window closes, however old they are.
pub(super) const LEAST_ROWS: usize = 50;
/// Windows that one look closes; of more rows each is larger.
pub(super) const MOST_WINDOWS: usize = 4;
/// Rows of a kind that one look reads; older ones are left out.
pub(super) const MOST_ROWS: u32 = 20_000;
/// By so much the clocks of two servers may differ.
const SKEW: TimeDelta = TimeDelta::minutes(5);

/// What a look finds.
#[derive(Debug, Clone)]
pub(super) struct Present {
    pub now: DateTime<Utc>,
    /// The active model.
    pub model_id: ModelId,
    /// When it was activated.
    pub activated_at: DateTime<Utc>,
    /// The place of the last point.
    pub last_point: PointPosition,
}

/// When a window closes.
#[derive(Debug, Clone, Copy)]
pub(super) struct WindowBounds {
    /// With so many rows.
    pub rows: usize,
    /// Or with fewer, when the oldest row is so old.
    pub age: TimeDelta,
}

/// The state that a look goes on from; None: what is known stays as it is.
pub(super) fn begun(known: Option<&WatchState>, present: &Present) -> Option<WatchState> {
    let Present { now, model_id, activated_at, last_point } = present;
    let from = |until: DateTime<Utc>, before: Option<&WindowRun>| WindowRun {
        until,
        closed: before.map_or(0, |run| run.closed),
        last: None,
    };
    let Some(known) = known.filter(|known| known.model_id == *model_id) else {
        let since = *activated_at.min(now);
        return Some(WatchState {
            revision: known.map_or(0, |known| known.revision) + 1,
            model_id: model_id.clone(),
            predictions: from(since, known.map(|known| &known.predictions)),
            predictions_read: LogPosition::before(since),
            points: from(*now, known.map(|known| &known.points)),
            points_read: last_point.clone(),
        });
    };
    let mut next = known.clone();
    if known.predictions_read.at > *now + SKEW {
        next.predictions = from(*now, Some(&known.predictions));
        next.predictions_read = LogPosition::before(*now);
    }
    if known.points.until > *now + SKEW {
        next.points = from(*now, Some(&known.points));
    }
    (next != *known).then(|| WatchState { revision: known.revision + 1, ..next })
}

/// How many rows each window has that closes now, of so many that came in since the last one; `age` is that of the oldest.
pub(super) fn sizes(rows: usize, age: TimeDelta, bounds: WindowBounds) -> Vec<usize> {
    let whole = rows / bounds.rows.max(1);
    match whole {
        0 if rows >= LEAST_ROWS && age >= bounds.age => vec![rows],
        0 => Vec::new(),
        1..=MOST_WINDOWS => vec![bounds.rows; whole],
        _ => (0..MOST_WINDOWS).map(|n| (n + 1) * rows / MOST_WINDOWS - n * rows / MOST_WINDOWS).collect(),
    }
}

/// Where the rows of a window end.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum WindowEnd {
    Prediction(LogPosition),
    Point(PointPosition),
}

/// The state after a window was closed whose last row was of the time `until`.
pub(super) fn closed(state: &WatchState, id: &str, until: DateTime<Utc>, end: WindowEnd) -> WatchState {
    let mut next = WatchState { revision: state.revision + 1, ..state.clone() };
    let run = match end {
        WindowEnd::Prediction(position) => {
            next.predictions_read = position;
            &mut next.predictions
        }
        WindowEnd::Point(position) => {
            next.points_read = position;
            &mut next.points
        }
    };
    *run = WindowRun { until, closed: run.closed + 1, last: Some(id.to_owned()) };
    next
}

/// The run of a kind.
pub(super) fn run(state: &WatchState, kind: WindowKind) -> &WindowRun {
    match kind {
        WindowKind::Predictions => &state.predictions,
        WindowKind::Points => &state.points,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_domain::Algorithm;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn model(number: u128) -> ModelId {
        ModelId::new(Algorithm::Xgboost, at(0), number)
    }

    fn point(number: i64) -> PointPosition {
        PointPosition { number, id: String::new() }
    }

    fn prediction(minutes: i64, id: &str) -> LogPosition {
        LogPosition { at: at(minutes), id: id.to_owned() }
    }

    fn present(now: i64, number: u128) -> Present {
        Present { now: at(now), model_id: model(number), activated_at: at(40), last_point: point(7) }
    }

    fn begin(now: i64) -> WatchState {
        begun(None, &present(now, 1)).unwrap()
    }

    #[test]
    fn the_first_run_has_predictions_since_the_activation_and_points_from_now_on() {
        let state = begin(60);
        assert_eq!((state.revision, &state.model_id), (1, &model(1)));
        assert_eq!(
            (state.predictions_read.clone(), state.points_read.clone()),
            (LogPosition::before(at(40)), point(7))
        );
        assert_eq!(state.predictions, WindowRun { until: at(40), closed: 0, last: None });
        assert_eq!(state.points, WindowRun { until: at(60), closed: 0, last: None });
        assert_eq!(begin(30).predictions_read, LogPosition::before(at(30)), "an activation lies in no future");
        assert_eq!(begun(Some(&state), &present(61, 1)), None, "it goes on");
    }

    #[test]
    fn windows_follow_each_other_within_a_kind() {
        let state = begin(60);
        let one = closed(&state, "a", at(70), WindowEnd::Prediction(prediction(70, "p9")));
        let two = closed(&one, "b", at(71), WindowEnd::Point(point(99)));
        assert_eq!(two.revision, 3);
        assert_eq!(
            *run(&two, WindowKind::Predictions),
            WindowRun { until: at(70), closed: 1, last: Some("a".to_owned()) }
        );
        assert_eq!(*run(&two, WindowKind::Points), WindowRun { until: at(71), closed: 1, last: Some("b".to_owned()) });
        assert_eq!((two.predictions_read.clone(), two.points_read.clone()), (prediction(70, "p9"), point(99)));
        assert_eq!(begun(Some(&two), &present(72, 1)), None);
    }

    #[test]
    fn another_model_begins_anew_and_reuses_no_number() {
        let before = closed(&begin(60), "a", at(70), WindowEnd::Prediction(prediction(70, "p9")));
        let next = begun(Some(&before), &Present { activated_at: at(80), ..present(90, 2) }).unwrap();
        assert_eq!((next.revision, &next.model_id), (3, &model(2)));
        assert_eq!(next.predictions, WindowRun { until: at(80), closed: 1, last: None });
        assert_eq!(next.predictions_read, LogPosition::before(at(80)));
        // Back to the first one: what it predicted before is not read again.
        let back = begun(Some(&next), &Present { activated_at: at(100), ..present(101, 1) }).unwrap();
        assert_eq!((back.predictions_read.at, back.predictions.closed), (at(100), 1));
    }

    #[test]
    fn a_clock_that_was_set_back_ends_the_run() {
        let before = closed(&begin(60), "a", at(70), WindowEnd::Prediction(prediction(70, "p9")));
        assert_eq!(begun(Some(&before), &present(66, 1)), None, "clocks differ by minutes");
        let next = begun(Some(&before), &present(64, 1)).unwrap();
        assert_eq!(next.predictions, WindowRun { until: at(64), closed: 1, last: None });
        assert_eq!((next.predictions_read, next.revision), (LogPosition::before(at(64)), 3));
        assert_eq!(next.points, before.points);
        let next = begun(Some(&before), &present(10, 1)).unwrap();
        assert_eq!((next.points.until, next.points.last), (at(10), None));
        assert_eq!(next.points_read, point(7), "points have an order of their own");
    }

    #[test]
    fn windows_close_by_count_or_by_age() {
        let bounds = WindowBounds { rows: 500, age: TimeDelta::days(7) };
        let day = TimeDelta::days;
        for (rows, age, expected) in [
            (0, day(9), vec![]),
            (49, day(99), vec![]),
            (50, day(6), vec![]),
            (50, day(7), vec![50]),
            (499, day(7), vec![499]),
            (499, day(0), vec![]),
            (500, day(0), vec![500]),
            (999, day(99), vec![500]),
            (2_499, day(0), vec![500; 4]),
            (2_501, day(0), vec![625, 625, 625, 626]),
            (20_000, day(0), vec![5_000; 4]),
        ] {
            assert_eq!(sizes(rows, age, bounds), expected, "{rows} rows");
            assert!(expected.iter().sum::<usize>() <= rows);
        }
        assert_eq!(sizes(50, day(0), WindowBounds { rows: 50, ..bounds }), [50]);
        assert_eq!(sizes(60, TimeDelta::days(-1), bounds), [0; 0], "a clock that was set back makes no row old");
    }
}
