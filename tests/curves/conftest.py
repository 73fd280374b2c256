import pytest

from jaxphase import read
from jaxphase.errors import InputError


@pytest.fixture
def refused():
    """The one sentence, with what was given and then the remedy, that a file and options are refused with."""

    def sentence(*arguments, **options):
        with pytest.raises(InputError) as caught:
            read(*arguments, **options)
        text = str(caught.value)
        assert text.endswith(".") and ":" in text and "\n" not in text
        return text

    return sentence
