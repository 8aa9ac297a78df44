"""The page as text, and the page in headless Chromium where there is one."""

import io
import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from support.html_pages import Checked, view

from ripfdn_cli.evaluation.benchmark import Method, Network, Row, evaluate
from ripfdn_cli.evaluation.complexity import Complexity
from ripfdn_cli.evaluation.datasets import Pixels, pair_folders
from ripfdn_cli.evaluation.report import Report
from ripfdn_cli.image_math.metrics import NTIRE, PAPERS

pytestmark = pytest.mark.any_precision

RED, BLUE, GREEN = (200, 30, 30), (30, 60, 200), (40, 160, 60)
NASTY = "</script><img src=x onerror=alert(1)>&\"'{{ 7*7 }}"
NETWORK = Network("weights.safetensors", "ab" * 32, "torch", "fp32", "cpu", Complexity(261_868, 84, 10, 10))


def painted(colour: tuple[int, int, int]) -> Method:
    """A method that paints everything in one colour, so that a test can see which one the page shows."""

    def paint(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        return np.full((4 * height, 4 * width, 3), colour, np.uint8)

    return Method("Red" if colour == RED else "Blue", 4, paint, None if colour == RED else NETWORK)


def write_hr(
    folder: Path, name: str, colour: tuple[int, int, int], height: int = 330, width: int = 340
) -> None:
    folder.mkdir(exist_ok=True)
    Image.fromarray(np.full((height, width, 3), colour, np.uint8)).save(folder / f"{name}.png")


def make_page(hr: Path | None, lr: Path | None = None) -> tuple[str, list[Row]]:
    report = Report([PAPERS, NTIRE])
    data_set = replace(pair_folders(hr, lr, 4), name="Colours")
    rows = evaluate(data_set, [painted(RED), painted(BLUE)], [PAPERS, NTIRE], observe=report.add)
    return report.render(rows), rows


def test_the_page_is_whole_and_loads_nothing(tmp_path: Path) -> None:
    write_hr(tmp_path / "HR", "one", BLUE)
    write_hr(tmp_path / "HR", "two", GREEN)
    page, rows = make_page(tmp_path / "HR")
    checked = Checked()
    checked.feed(page)
    checked.close()
    assert checked.open == []
    assert len(set(checked.ids)) == len(checked.ids)
    assert all(value.startswith(("data:image/webp;base64,", "#picture-")) for value in checked.loaded)
    assert not re.findall(r"https?://|url\(|@import|fetch\(", page)
    mean = rows[1].mean_score(NTIRE)
    assert mean is not None
    assert f"{mean.psnr:.3f}" in page
    assert all(f"<li>{protocol.text(4)}</li>".replace("'", "&#39;") in page for protocol in (PAPERS, NTIRE))


def test_names_are_escaped(tmp_path: Path) -> None:
    try:
        write_hr(tmp_path / "HR", NASTY.replace("/", ""), GREEN)
    except OSError:
        pytest.skip("the file system does not take such a name")
    report = Report([PAPERS])
    data_set = replace(pair_folders(tmp_path / "HR", None, 4), name=NASTY)
    rows = evaluate(data_set, [painted(RED), painted(BLUE)], [PAPERS], observe=report.add)
    page = report.render(rows)
    assert "<img src=x" not in page
    assert page.count("</script>") == 1
    assert "&lt;img src=x onerror=alert(1)&gt;&amp;&#34;&#39;{{ 7*7 }}" in page
    checked = Checked()
    checked.feed(page)
    assert checked.open == []


def test_networks_are_compared_in_a_table_that_marks_what_is_clear(tmp_path: Path) -> None:
    for number in range(5):
        write_hr(tmp_path / "HR", f"{number}", (30, 60, 180 + number), 64, 64)
    other, alike = (replace(painted(RED), name=name, network=NETWORK) for name in ("Other", "Alike"))
    methods = [painted(RED), painted(BLUE), other, replace(alike, upscale=painted(BLUE).upscale)]
    data_set = replace(pair_folders(tmp_path / "HR", None, 4), name="Colours")
    rows = evaluate(data_set, methods, [PAPERS])
    page = Report([PAPERS]).render(rows)
    table = page.partition('id="differences"')[2].partition("</table>")[0]
    clear, unclear = table.partition("<tbody>")[2].split("</tr>")[:2]
    blue, red = rows[1].mean_score(PAPERS), rows[2].mean_score(PAPERS)
    assert blue is not None
    assert red is not None
    assert f'<td class="number best">−{blue.psnr - red.psnr:.3f}</td>' in clear
    assert "Other" in clear
    assert "Alike" in unclear
    assert 'class="number">0.000 to 0.000</td>' not in clear
    assert 'class="number">0.000</td>' in unclear
    assert "shows no difference" in page
    assert 'id="differences"' not in Report([PAPERS]).render(rows[:2])


def test_without_hr_the_page_has_pictures_and_times(tmp_path: Path) -> None:
    write_hr(tmp_path / "LR", "photo", GREEN, 20, 24)
    page, rows = make_page(None, tmp_path / "LR")
    assert 'type="range"' in page
    assert f"{1000 * rows[1].seconds:.1f}" in page
    assert 'class="crops"' not in page
    assert "<svg" not in page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: str) -> None:
    """WCAG 2.2 asks 4.5 : 1 of small text."""
    import ripfdn_cli.evaluation as package

    css = (Path(package.__file__).parent / "templates" / "frame.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", light + (dark if scheme == "dark" else "")))
    for ground in ("paper", "card"):
        for text in ("ink", "muted", "accent"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Relative, of #rrggbb, as WCAG defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a page with two green pictures that red and blue were made of."""
    folder = tmp_path_factory.mktemp("page")
    write_hr(folder / "HR", "one", GREEN)
    write_hr(folder / "HR", "two", (40, 140, 90))
    path = folder / "report.html"
    path.write_text(make_page(folder / "HR")[0], encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def page(browser: webdriver.Chrome, address: str) -> webdriver.Chrome:
    view(browser, 1200)
    browser.get(address)
    return browser


def stage_of(browser: webdriver.Chrome) -> WebElement:
    stage = browser.find_element(By.CLASS_NAME, "stage")
    browser.execute_script(
        "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'});"
        "arguments[0].querySelector('.worst').hidden = true",  # it could lie on a pixel that is looked at
        stage,
    )
    return stage


def colours(stage: WebElement) -> list[list[int]]:
    """Of the stage at 10 %, 30 %, 70 % and 90 % of its width, near its foot."""
    image = np.asarray(Image.open(io.BytesIO(stage.screenshot_as_png)).convert("RGB"))
    return [image[-8, int(image.shape[1] * part)].tolist() for part in (0.1, 0.3, 0.7, 0.9)]


def near(found: list[list[int]], expected: list[tuple[int, int, int]]) -> bool:
    return bool(np.abs(np.subtract(found, expected)).max() <= 6)


def shows(stage: WebElement, expected: list[tuple[int, int, int]]) -> bool:
    """Whether `stage` comes to show `expected`: a browser paints what has changed when it has the time."""
    deadline = time.monotonic() + 20
    while not near(colours(stage), expected):
        if time.monotonic() > deadline:
            return False
    return True


def test_dragging_the_slider_uncovers_the_other_method(page: webdriver.Chrome) -> None:
    stage = stage_of(page)
    assert shows(stage, [RED, RED, BLUE, BLUE])
    slider = stage.find_element(By.CSS_SELECTOR, "input[type=range]")
    width = slider.size["width"]
    drag = ActionChains(page).move_to_element(slider).click_and_hold()
    drag.move_by_offset(-int(0.3 * width), 0).release().perform()
    assert float(slider.get_attribute("value") or "nan") == pytest.approx(20, abs=0.7)
    assert shows(stage, [RED, BLUE, BLUE, BLUE])
    drag = ActionChains(page).move_to_element(slider).click_and_hold()
    drag.move_by_offset(int(0.3 * width), 0).release().perform()
    assert shows(stage, [RED, RED, RED, BLUE])


def test_a_browser_that_wants_the_thumb_touched_follows_the_finger(page: webdriver.Chrome) -> None:
    stage = stage_of(page)
    page.execute_script(
        "const slider = arguments[0], box = slider.getBoundingClientRect();"
        "const clientX = box.left + 0.2 * box.width;"  # an event made by a script moves no native thumb
        "slider.dispatchEvent(new PointerEvent('pointermove', {clientX, buttons: 1, bubbles: true}))",
        stage.find_element(By.CSS_SELECTOR, "input[type=range]"),
    )
    assert shows(stage, [RED, BLUE, BLUE, BLUE])


def test_the_slider_works_by_keyboard_and_says_where_it_is(page: webdriver.Chrome) -> None:
    stage = stage_of(page)
    slider = stage.find_element(By.CSS_SELECTOR, "input[type=range]")
    assert slider.get_attribute("aria-label") == "one: line between Red on its left and Blue on its right"
    slider.send_keys(Keys.HOME)
    assert shows(stage, [BLUE] * 4)
    slider.send_keys(Keys.END)
    assert shows(stage, [RED] * 4)
    assert slider.get_attribute("aria-valuetext") == "100 % Red, the rest Blue"
    slider.send_keys(Keys.ARROW_LEFT)
    assert 95 <= float(slider.get_attribute("value") or "nan") < 100
    for _ in range(4):
        slider.send_keys(Keys.PAGE_DOWN)
    assert 20 < float(slider.get_attribute("value") or "nan") < 80
    assert near(colours(stage)[:1] + colours(stage)[3:], [RED, BLUE])


def test_either_side_can_show_any_method(page: webdriver.Chrome) -> None:
    right = Select(page.find_element(By.CSS_SELECTOR, "[data-side=right]"))
    assert [option.text for option in right.options] == ["Red", "Blue", "HR"]
    right.select_by_visible_text("HR")
    stage = stage_of(page)
    assert shows(stage, [RED, RED, GREEN, GREEN])
    assert stage.find_element(By.CLASS_NAME, "tag-right").text == "HR"
    assert "HR on its right" in (stage.find_element(By.TAG_NAME, "input").get_attribute("aria-label") or "")
    Select(page.find_element(By.CSS_SELECTOR, "[data-side=left]")).select_by_visible_text("HR")
    assert shows(stage_of(page), [GREEN] * 4)


def test_pictures_can_be_put_in_the_order_of_their_scores(page: webdriver.Chrome) -> None:
    def shown() -> list[str]:
        return [heading.text for heading in page.find_elements(By.CSS_SELECTOR, ".card h3")]

    assert shown() == ["one", "two"]
    cards = page.find_elements(By.CLASS_NAME, "card")
    by_psnr = sorted(cards, key=lambda card: float(card.get_attribute("data-psnr") or "nan"))
    expected = [card.find_element(By.TAG_NAME, "h3").text for card in by_psnr]
    order = Select(page.find_element(By.CSS_SELECTOR, "[data-order]"))
    order.select_by_value("psnr")
    assert shown() == expected
    order.select_by_value("gain")
    order.select_by_value("index")
    assert shown() == ["one", "two"]


@pytest.mark.parametrize("width", [360, 768, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_every_screen_in_both_schemes(page: webdriver.Chrome, width: int, scheme: str) -> None:
    view(page, width, scheme)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    ground = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", ground)[:3])) / 3
    assert brightness > 240 if scheme == "light" else brightness < 30
    small = page.execute_script(
        "return [...document.querySelectorAll('.tick, .axis')]"
        ".map(text => text.getBoundingClientRect().height).filter(height => height > 0 && height < 8).length"
    )
    assert small == 0


def test_the_page_says_nothing_on_the_console(page: webdriver.Chrome) -> None:
    stage_of(page)
    assert page.get_log("browser") == []
