"""Metrics are summed over processes and written as Prometheus reads them."""

from __future__ import annotations

from pathlib import Path

from wxsync.metrics import MAX_SERIES, Family, Histogram, Metrics, exposition, read, series_text

HITS = Family("hits_total", "counter", "Hits.")
OPEN = Family("open", "gauge", "Open.")
TOOK = Family("took_seconds", "histogram", "Took.")


def test_text_of_counters_and_gauges() -> None:
    metrics = Metrics()
    metrics.add(series_text("hits_total", {"path": 'a"b\\c\nd'}), 2)
    metrics.add(series_text("hits_total", {"path": 'a"b\\c\nd'}), 0.5)
    metrics.put("open", 3)
    metrics.put("open", 1)
    assert exposition([HITS, OPEN, TOOK], metrics.samples()) == (
        "# HELP hits_total Hits.\n# TYPE hits_total counter\n"
        'hits_total{path="a\\"b\\\\c\\nd"} 2.5\n'
        "# HELP open Open.\n# TYPE open gauge\nopen 1\n")


def test_histogram_is_cumulative() -> None:
    metrics = Metrics()
    histogram = Histogram(metrics, "took_seconds", {"up": "x"})
    histogram.observe([0.0009, 0.001, 0.3])
    histogram.observe([99.0])
    lines = exposition([TOOK], metrics.samples()).splitlines()
    assert 'took_seconds_bucket{up="x",le="0.001"} 2' in lines
    assert 'took_seconds_bucket{up="x",le="0.25"} 2' in lines
    assert 'took_seconds_bucket{up="x",le="0.5"} 3' in lines
    assert 'took_seconds_bucket{up="x",le="30"} 3' in lines
    assert 'took_seconds_bucket{up="x",le="+Inf"} 4' in lines
    assert 'took_seconds_count{up="x"} 4' in lines


def test_processes_are_summed_and_an_ended_one_is_kept(tmp_path: Path) -> None:
    own = Metrics(tmp_path / "parent")
    for name in ("a", "b"):
        other = Metrics(tmp_path / name)
        other.add("hits_total", 2)
        other.put("open", 5)
    own.keep(read(tmp_path / "a"))
    (tmp_path / "a").unlink()
    text = exposition([HITS, OPEN], [*own.samples(), *read(tmp_path / "b"), *read(tmp_path / "a")])
    assert "hits_total 4\n" in text
    assert "open 5\n" in text


def test_the_number_of_series_is_bounded() -> None:
    metrics = Metrics()
    for number in range(MAX_SERIES + 10):
        metrics.add(f"hits_total{{n=\"{number}\"}}", 1)
    metrics.add("x" * 300, 1)
    metrics.add('hits_total{n="0"}', 1)
    samples = metrics.samples()
    assert len(samples) == MAX_SERIES
    assert samples[0].value == 2
