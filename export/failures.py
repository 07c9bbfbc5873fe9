"""The base of errors that a user of the offline programs can mend."""


class UserError(ValueError):
    """A file, folder or choice that cannot be used; the message is one line, and the program prints it alone."""
