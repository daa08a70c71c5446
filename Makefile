# The two first commands; everything else is in ./dev.
.PHONY: help run test

help:
	@echo "make run    install what is missing, build, and start the example: three guests, real orders"
	@echo "make test   install what is missing, build, and run every test"
	@echo "./dev       every other command"

run:
	@./dev run

test:
	@./dev test
