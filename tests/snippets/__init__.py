"""Every command and program that the hand-written pages show is run, or says here why not."""
