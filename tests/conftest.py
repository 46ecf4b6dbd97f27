"""What several test files share."""
import os
import shutil

import pytest


def pytest_collection_modifyitems(items):
    """Notebooks first: what takes a minute must not be what is left at the end."""
    items.sort(key=lambda item: not item.name.startswith("test_it_runs_at_smoke"))


@pytest.fixture(scope="module")
def one_thread():
    """Small networks are faster, and their results the same on every machine, on one thread."""
    import torch  # most test files need none

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A real Chromium without a window, which keeps what pages say to the console."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    driver = shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no chromium (or CHROMIUM=) with its chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "hide-scrollbars",
                 "window-size=1200,700", f"user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    yield started
    started.quit()
