"""Where the time of a call goes in a served gateway, by clocks around its stages."""  # noqa: A005  what the command is called
