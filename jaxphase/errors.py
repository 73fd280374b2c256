"""The one exception that means: what you gave cannot be used, and here is the remedy."""


class InputError(ValueError):
    """Raised for unusable input; its message is one sentence naming the field, the value and the remedy.

    The command line prints that sentence and leaves with exit code 2.
    """
