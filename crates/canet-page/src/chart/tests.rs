use super::*;

fn chart<'a>(title: &'a str, lines: Vec<Line<'a>>) -> String {
    let mut page = String::new();
    Chart { title, x: "epoch", range: None, small: false, lines }.draw(&mut page);
    page
}

fn line<'a>(name: &'a str, values: &[Option<f64>]) -> Line<'a> {
    let points = (1..).map(f64::from).zip(values.iter().copied()).collect();
    Line { name, points, ..Line::default() }
}

#[test]
fn ticks_are_round_and_hold_the_values() {
    for (span, count, exact, low, high, step) in [
        ((0.0, 1.0), 2.0, true, 0.0, 1.0, 0.5),
        ((0.13, 0.88), 4.0, false, 0.0, 1.0, 0.2),
        ((1.0, 30.0), 4.0, true, 1.0, 30.0, 10.0),
        ((3.0, 3.0), 4.0, false, 3.0, 6.0, 1.0),
        ((-4.0, 7.0), 4.0, false, -5.0, 10.0, 5.0),
    ] {
        let ticks = Ticks::new(span, count, exact);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(ticks.low, low) && near(ticks.high, high), "{span:?}: {ticks:?}");
        assert!(near(ticks.step, step), "{span:?}: {ticks:?}");
        let places: Vec<f64> = ticks.places().collect();
        assert!(places.len() >= 2 && places.len() <= 7, "{span:?}: {places:?}");
        assert!(places.iter().all(|p| *p >= low - 1e-9 && *p <= high + 1e-9), "{places:?}");
    }
}

#[test]
fn values_lie_where_they_belong() {
    let page = chart("loss", vec![line("a", &[Some(0.0), Some(4.0), Some(2.0)])]);
    // The plot is from (52, 208) to (410, 10).
    assert!(page.contains("d=\"M52.0 208.0L231.0 10.0L410.0 109.0\""), "{page}");
    assert!(page.contains("<title>a, epoch 2: 4.00</title>"), "{page}");
    assert!(
        page.contains("loss by epoch. a: from 0 at 1 to 2.00 at 3, highest 4.00 at 2."),
        "{page}"
    );
}

#[test]
fn lines_are_broken_where_there_is_no_value_and_nothing_is_not_drawn() {
    let page = chart("IoU", vec![line("a", &[Some(1.0), None, Some(2.0), Some(f64::NAN)])]);
    assert_eq!(page.matches('M').count() - page.matches("d=\"M52 ").count(), 2, "{page}");
    assert_eq!(page.matches("<circle").count(), 2);
    assert!(!page.contains("NaN"), "{page}");
    assert_eq!(chart("none", vec![line("a", &[None]), line("b", &[])]), "");
}

#[test]
fn names_are_text_and_many_points_have_few_marks() {
    let many: Vec<Option<f64>> = (0..1000).map(|i| Some(f64::from(i))).collect();
    let page = chart("<t>", vec![line("<script>\"", &many), line("b", &many)]);
    assert!(!page.contains("<script") && !page.contains("<t>"), "{page}");
    assert!(page.contains("&lt;script&gt;&quot;"));
    assert!(page.matches("<circle").count() <= 2 * MARKS[0]);
    assert!(page.contains("epoch 1000: 999"), "the last point is marked");
    assert!(page.contains("class=\"legend\""));
}

#[test]
fn numbers_are_short() {
    for (value, expected) in [
        (0.0, "0"),
        (0.51234, "0.512"),
        (1e-5, "1.00e-5"),
        (12.345, "12.3"),
        (-3.456, "-3.46"),
        (1234.5, "1234"),
        (123_456.0, "1.23e5"),
    ] {
        assert_eq!(number(value), expected);
    }
}
