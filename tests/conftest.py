"""What several test files share."""
import pytest
import torch


def pytest_collection_modifyitems(items):
    """Notebooks first: what takes a minute must not be what is left at the end."""
    items.sort(key=lambda item: not item.name.startswith("test_it_runs_at_smoke"))


@pytest.fixture(scope="module")
def one_thread():
    """Small networks are faster, and their results the same on every machine, on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
