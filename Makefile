# The commands of Confab. Each is a few lines of script in scripts/; ARGS="…" is passed on to the program that runs.
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help run build test dev demo bench bench-full bench-cluster torture torture-cluster cluster screenshot clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' Makefile

run: build ## build, then serve on http://127.0.0.1:3000 (ARGS: options of `confab serve`)
	@target/release/confab serve $(ARGS)

build: ## install what is missing and build target/release/confab, the page inside
	@scripts/build

test: ## format, lints, Rust tests, page tests in Chromium; the last line is the sum
	@scripts/test

dev: ## rebuild and restart on every change (ARGS: options of `confab serve`)
	@scripts/dev $(ARGS)

URL ?= http://127.0.0.1:3000
demo: ## fill the server running at URL with a believable team (ARGS: options of `harness demo`)
	@scripts/tools build && source scripts/env && cargo run --release -p harness -- demo --url $(URL) $(ARGS)

bench: ## measure the release build, server and load on a core each (ARGS: --quick, --rows 2,3,5, …)
	@scripts/bench $(ARGS)

bench-full: ## the same with ten million messages stored; half an hour and 10 GB
	@scripts/bench --messages 10000000 $(ARGS)

bench-cluster: ## measure nodes on one Postgres with every bus, ten minutes (CLUSTERS="kafka:queued nats", ARGS: --quick, --runs 1, …)
	@scripts/bench-cluster $(ARGS)

torture: build ## break a server in every way for twelve minutes and judge what its clients saw (ARGS: --only kill, --seed 7, …)
	@scripts/torture $(ARGS)

torture-cluster: build ## the same for three nodes on Postgres and every broker, an hour (CLUSTERS="nats kafka:queued", SEEDS, ARGS)
	@scripts/tools services && scripts/torture-cluster $(ARGS)

BUS ?= redis
cluster: build ## start three nodes behind HAProxy on http://127.0.0.1:3000 (BUS: redis, nats, kafka); `scripts/cluster down` ends it
	@scripts/tools services && BUS=$(BUS) scripts/cluster up

screenshot: ## take the pictures of the README from the running product
	@scripts/screenshot $(ARGS)

clean: ## remove everything built here; the tools cache stays
	@rm -rf target dist end2end/node_modules end2end/test-results end2end/playwright-report
