"""The proof of the delivery contract: clients that note everything, faults, and a judge of what was noted."""
