"""What several test files share."""
import pytest
import torch


@pytest.fixture(scope="module")
def one_thread():
    """Small networks are faster, and their results the same on every machine, on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
