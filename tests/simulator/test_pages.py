import pytest

from thriftgate.simulator.pages import PAGE_BYTES, Pages

LINES = [b'{"custom_id":"%d","result":{"text":"%s"}}\n' % (number, b"word " * 200) for number in range(1000)]


def test_pages_hold_whole_lines_and_are_packed() -> None:
    pages = Pages(LINES)
    shown = list(pages)
    assert b"".join(shown) == b"".join(LINES)
    assert pages.size == sum(map(len, LINES))
    assert len(shown) == -(-pages.size // (PAGE_BYTES + 1500)) == 5
    assert all(page.endswith(b"\n") and len(page) < PAGE_BYTES + 2000 for page in shown)
    assert list(pages) == shown


def test_no_lines() -> None:
    assert (list(Pages([])), Pages([]).size) == ([], 0)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.25, 0.5, 0.77, 0.9999, 1 - 1e-12])
@pytest.mark.parametrize("lines", [LINES, LINES[:1]])
def test_a_cut_ends_inside_a_line(lines: list[bytes], share: float) -> None:
    whole = b"".join(lines)
    sent = b"".join(Pages(lines).cut(share))
    assert whole.startswith(sent)
    assert abs(len(sent) - share * len(whole)) <= len(lines[0])
    rest = whole[len(sent) :].split(b"\n")[0]
    assert len(rest) > 100 < len(sent.rsplit(b"\n")[-1])
