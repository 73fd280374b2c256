"""The one exception for input that cannot be used; its message names the remedy."""


class InputError(ValueError):
    """Raised for unusable input; its message is one sentence naming the field, the value and the remedy.

    The command line prints that sentence and exits with code 2.
    """
