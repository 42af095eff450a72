# Tools are run by version, not installed: the same version works everywhere, and nothing has to be there but Go.
GOLANGCI_LINT = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK   = go run golang.org/x/vuln/cmd/govulncheck@v1.8.0

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
LDFLAGS  = -s -w -X github.com/exeunt-id/exeunt/cli.version=$(VERSION)

TEST_TIMEOUT ?= 15m
TEST_FLAGS   ?=
PACKAGES     ?= ./...
FUZZTIME     ?= 20s
STORM        ?= 5m

.DEFAULT_GOAL := help
.PHONY: help build demo test lint vuln fmt bench fuzz storm cover reference sdk clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the program as bin/exeunt, static, without cgo
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/exeunt .

demo: ## start the provider and three apps, and say where to click
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/exeunt . && exec bin/exeunt demo

# The race detector needs a C compiler. Without one the tests still run, without it. It watches all code but SQLite's: that is C, translated,
# which locks by its own means, and watching it takes longer than everything else together.
UNWATCHED = -gcflags=modernc.org/...=-race=false

test: ## run all tests, with the race detector where a C compiler is installed
	@if command -v "$$(go env CC)" >/dev/null 2>&1; then \
		echo 'go test -race $(PACKAGES)'; \
		CGO_ENABLED=1 go test -race '$(UNWATCHED)' -timeout $(TEST_TIMEOUT) $(TEST_FLAGS) $(PACKAGES); \
	else \
		echo '**************************************************************************'; \
		echo '** No C compiler is installed: the tests run WITHOUT the race detector. **'; \
		echo '** Install gcc or clang to run what CI runs.                            **'; \
		echo '**************************************************************************'; \
		CGO_ENABLED=0 go test -timeout $(TEST_TIMEOUT) $(TEST_FLAGS) $(PACKAGES); \
	fi

lint: ## run golangci-lint
	$(GOLANGCI_LINT) run ./...

vuln: ## look for known vulnerabilities in what the program calls
	$(GOVULNCHECK) ./...

fmt: ## format the code
	$(GOLANGCI_LINT) fmt ./...

bench: build ## run the load command of bench/, see its --help
	go run ./bench $(BENCH_FLAGS)

fuzz: ## run every fuzz target for FUZZTIME (20s)
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done

storm: ## run three nodes through STORM (5m) of kills, cut cables and crashes, and check every logout
	EXEUNT_FAULTS=$(STORM) go test -run '^TestFaults$$' -count=1 -timeout 60m -v ./e2e

cover: ## measure the coverage of all packages by all tests
	go test -timeout $(TEST_TIMEOUT) -coverpkg=./... -coverprofile=coverage.out ./...
	go tool cover -func=coverage.out | tail -n 1

reference: ## write the table of configuration keys into the README
	@go run . config reference --markdown > reference.tmp
	@awk '/^<!-- reference end -->/ { skip = 0 } !skip { print } /^<!-- reference begin/ { skip = 1; while ((getline line < "reference.tmp") > 0) print line }' README.md > README.tmp
	@mv README.tmp README.md && rm reference.tmp

sdk: ## make static/exeunt.classic.js of static/exeunt.js
	EXEUNT_SDK=write go test -run '^TestClassicScript$$' -count=1 ./static

clean: ## remove what was built
	rm -rf bin coverage.out
