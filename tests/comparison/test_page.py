"""The page as text, and in headless Chromium where there is one."""

import io
import re
import time
from collections.abc import Iterator
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

from ripfdn_cli.comparison.page import render
from ripfdn_cli.comparison.views import compare_picture
from ripfdn_cli.evaluation.benchmark import Method, Network
from ripfdn_cli.evaluation.datasets import Pixels

pytestmark = pytest.mark.any_precision

GREEN, BLUE, RED, WHITE = (40, 160, 60), (30, 60, 200), (200, 30, 30), (255, 255, 255)
NETWORK = Network("weights.onnx", "ab" * 32, "openvino", "fp32", "cpu", None)
SIDE = 60


def quarters(pixels: Pixels) -> Pixels:
    """Red, but its right lower quarter is blue."""
    height, width = 4 * pixels.shape[0], 4 * pixels.shape[1]
    result = np.full((height, width, 3), RED, np.uint8)
    result[height // 2 :, width // 2 :] = BLUE
    return result


def white(pixels: Pixels) -> Pixels:
    return np.full((4 * pixels.shape[0], 4 * pixels.shape[1], 3), WHITE, np.uint8)


METHODS = [Method("Quarters", 4, quarters, NETWORK), Method("<White>", 4, white, NETWORK)]


def write_page(folder: Path, count: int = 2) -> Path:
    compared = []
    for number in range(count):
        lr, hr = folder / f"lr{number}.png", folder / f"hr{number}.png"
        Image.new("RGB", (SIDE, SIDE), GREEN).save(lr)
        Image.new("RGB", (4 * SIDE, 4 * SIDE), GREEN).save(hr)
        compared.append(compare_picture(lr, METHODS, reference=hr, crop=None))
    path = folder / "page.html"
    path.write_text(render(compared, METHODS), encoding="utf-8")
    return path


def test_the_page_is_whole_and_loads_nothing(tmp_path: Path) -> None:
    page = write_page(tmp_path).read_text("utf-8")
    checked = Checked()
    checked.feed(page)
    checked.close()
    assert checked.open == []
    assert len(set(checked.ids)) == len(checked.ids) == 2
    assert len(checked.loaded) == 2 * 8
    assert all(value.startswith("data:image/webp;base64,") for value in checked.loaded)
    assert not re.findall(r"https?://|url\(|@import|fetch\(", page)
    assert "<White>" not in page


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_page(tmp_path_factory.mktemp("page")).as_uri()


@pytest.fixture
def page(browser: webdriver.Chrome, address: str) -> webdriver.Chrome:
    view(browser, 1200)
    browser.get(address)
    return browser


def viewers(browser: webdriver.Chrome) -> list[WebElement]:
    found = browser.find_elements(By.CLASS_NAME, "viewer")
    browser.execute_script(
        "document.querySelectorAll('.tag').forEach(tag => tag.hidden = true);"  # they could lie on a pixel
        "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})",
        found[0],
    )
    return found


def shows(viewer: WebElement, expected: dict[tuple[float, float], tuple[int, int, int]]) -> bool:
    """Whether `viewer` comes to show the colours at places in shares of its sides."""
    deadline = time.monotonic() + 10
    while True:
        image = np.asarray(Image.open(io.BytesIO(viewer.screenshot_as_png)).convert("RGB"))
        height, width = image.shape[:2]
        found = [image[int(y * height), int(x * width)] for x, y in expected]
        if np.abs(np.subtract(found, list(expected.values()))).max() <= 3:
            return True
        if time.monotonic() > deadline:
            return False


def choose(browser: webdriver.Chrome, side: str, label: str) -> None:
    Select(browser.find_element(By.CSS_SELECTOR, f"[data-side={side}]")).select_by_visible_text(label)


def test_the_first_network_is_beside_bicubic(page: webdriver.Chrome) -> None:
    viewer = viewers(page)[0]
    assert shows(viewer, {(0.1, 0.9): GREEN, (0.4, 0.9): GREEN, (0.6, 0.9): BLUE, (0.9, 0.1): RED})


def test_any_two_can_be_compared(page: webdriver.Chrome) -> None:
    choose(page, "left", "<White>")
    choose(page, "right", "Reference")
    viewer = viewers(page)[0]
    assert shows(viewer, {(0.2, 0.9): WHITE, (0.8, 0.9): GREEN})
    choose(page, "right", "<White>")
    assert shows(viewer, {(0.2, 0.9): WHITE, (0.8, 0.9): WHITE})
    choose(page, "right", "Quarters: difference ×8")
    levels = round(8 * float(np.abs(np.subtract(RED, GREEN)).mean()))
    assert shows(viewer, {(0.8, 0.1): (min(levels, 255),) * 3})


def test_the_line_is_dragged_by_its_handle(page: webdriver.Chrome) -> None:
    viewer = viewers(page)[0]
    handle = viewer.find_element(By.CLASS_NAME, "handle")
    ActionChains(page).move_to_element(handle).click_and_hold().move_by_offset(60, 0).release().perform()
    assert shows(viewer, {(0.6, 0.9): GREEN, (0.9, 0.9): BLUE})
    assert page.execute_script("return look.x") == 0  # the picture stays where it is


def test_the_line_moves_by_keys_and_says_where_it_is(page: webdriver.Chrome) -> None:
    viewer = viewers(page)[0]
    line = page.find_element(By.CLASS_NAME, "line")
    line.send_keys(Keys.HOME)
    assert shows(viewer, {(0.1, 0.9): RED, (0.6, 0.9): BLUE})
    line.send_keys(Keys.END)
    assert shows(viewer, {(0.1, 0.9): GREEN, (0.6, 0.9): GREEN})
    assert line.get_attribute("aria-valuetext") == "100 % Bicubic (Pillow), the rest Quarters"


def test_zoom_and_pan_by_keys_move_all_pictures_in_step(page: webdriver.Chrome) -> None:
    first, second = viewers(page)
    choose(page, "left", "Quarters")
    first.send_keys("++")  # 2.25 about the middle
    assert shows(first, {(0.2, 0.8): RED, (0.8, 0.8): BLUE, (0.45, 0.8): RED, (0.8, 0.3): RED})
    for _ in range(20):
        first.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert shows(first, {(0.1, 0.1): BLUE, (0.05, 0.9): BLUE, (0.95, 0.95): BLUE})
    assert page.find_elements(By.TAG_NAME, "output")[1].text == "225 %"
    assert shows(second, {(0.7, 0.1): BLUE, (0.1, 0.1): GREEN})
    first.send_keys("0")
    assert shows(first, {(0.1, 0.1): RED, (0.9, 0.9): BLUE})


def test_the_wheel_zooms_about_the_pointer_and_a_drag_pans(page: webdriver.Chrome) -> None:
    viewer = viewers(page)[0]
    choose(page, "left", "Quarters")
    box = viewer.size
    page.execute_script(
        "const box = arguments[0].getBoundingClientRect();"
        "arguments[0].dispatchEvent(new WheelEvent('wheel', {deltaY: -600, bubbles: true, cancelable: true,"
        "clientX: box.left, clientY: box.top}))",
        viewer,
    )
    assert shows(viewer, {(0.1, 0.1): RED, (0.95, 0.95): RED})  # the upper left corner stays
    for _ in range(4):
        chain = ActionChains(page)
        chain.move_to_element_with_offset(viewer, box["width"] // 3, box["height"] // 3).click_and_hold()
        chain.move_by_offset(-2 * box["width"] // 3, -2 * box["height"] // 3).release().perform()
    assert shows(viewer, {(0.1, 0.1): BLUE, (0.95, 0.95): BLUE})
    viewer_middle = page.find_element(By.CSS_SELECTOR, "[data-zoom=reset]")
    viewer_middle.click()
    assert shows(viewer, {(0.1, 0.1): RED, (0.9, 0.9): BLUE})


def touch(browser: webdriver.Chrome, *paths: tuple[tuple[float, float], tuple[float, float]]) -> None:
    """Put a finger down at the start of each of `paths` (px of the window), move them all, and lift them."""
    steps = 12
    for step in range(steps + 1):
        points = [
            {"id": number, "x": x0 + (x1 - x0) * step / steps, "y": y0 + (y1 - y0) * step / steps}
            for number, ((x0, y0), (x1, y1)) in enumerate(paths)
        ]
        kind = "touchMove" if step else "touchStart"
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def box_of(browser: webdriver.Chrome, element: WebElement) -> dict[str, float]:
    found = browser.execute_script("return arguments[0].getBoundingClientRect().toJSON()", element)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def phone(browser: webdriver.Chrome, address: str) -> Iterator[webdriver.Chrome]:
    view(browser, 400)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 5})
    browser.get(address)
    yield browser
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_a_finger_drags_the_line(phone: webdriver.Chrome) -> None:
    viewer = viewers(phone)[0]
    box = box_of(phone, viewer)
    middle, y = box["left"] + box["width"] / 2, box["top"] + box["height"] / 2
    touch(phone, ((middle, y), (middle + 60, y + 5)))
    assert shows(viewer, {(0.6, 0.9): GREEN, (0.9, 0.9): BLUE})
    assert phone.execute_script("return look.zoom") == 1


def test_two_fingers_zoom_and_one_moves(phone: webdriver.Chrome) -> None:
    first, second = viewers(phone)
    choose(phone, "left", "Quarters")
    box = box_of(phone, first)
    x, y = box["left"] + box["width"] / 2, box["top"] + box["height"] / 4
    touch(phone, ((x - 20, y - 20), (x - 50, y - 50)), ((x + 20, y + 20), (x + 50, y + 50)))
    # Both fingers are on the line; until Chromium knows that they move, they have gone some pixels.
    assert phone.execute_script("return look.zoom") == pytest.approx(2.5, rel=0.3)
    for _ in range(4):
        touch(phone, ((x + 40, y + 40), (x - 60, y - 20)))
    assert shows(first, {(0.1, 0.9): BLUE, (0.9, 0.9): BLUE})
    assert phone.execute_script("return look.x + look.zoom") == pytest.approx(1)  # at its right edge
    placed = "return getComputedStyle(arguments[0].querySelector('img')).transform"
    assert phone.execute_script(placed, second) == phone.execute_script(placed, first) != "none"


def test_a_finger_scrolls_the_page_where_a_picture_is_seen_whole(phone: webdriver.Chrome) -> None:
    viewer = viewers(phone)[0]
    box = box_of(phone, viewer)
    x, y = box["left"] + box["width"] / 4, box["top"] + 0.8 * box["height"]
    before = phone.execute_script("return scrollY")
    touch(phone, ((x, y), (x, y - 150)))
    deadline = time.monotonic() + 10
    while phone.execute_script("return scrollY") < before + 100:
        assert time.monotonic() < deadline
    assert phone.execute_script("return look.y") == 0


def test_the_slider_lies_under_the_picture_and_times_stand_on_it(page: webdriver.Chrome) -> None:
    viewer, line = viewers(page)[0], page.find_element(By.CLASS_NAME, "line")
    assert line.size["width"] == viewer.size["width"] == 4 * SIDE
    tag = page.find_element(By.CLASS_NAME, "tag-right").get_attribute("textContent") or ""
    assert re.fullmatch(r"Quarters · \d+\.\d{3} s", tag)
    bicubic = page.find_element(By.CLASS_NAME, "tag-left").get_attribute("textContent")
    assert bicubic == "Bicubic (Pillow)"


@pytest.mark.parametrize("width", [360, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_every_screen(page: webdriver.Chrome, width: int, scheme: str) -> None:
    view(page, width, scheme)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


def test_the_page_says_nothing_on_the_console(page: webdriver.Chrome) -> None:
    viewers(page)
    assert page.get_log("browser") == []
