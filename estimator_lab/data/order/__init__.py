"""Which member comes when: a pure function of archives, seed, epoch and worker."""
