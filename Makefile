# Everything here needs Go and nothing else; .ci/run installs what a bare machine lacks.

GO       ?= go
FUZZTIME ?= 10m

.PHONY: all build test test-kernel test-long lint bench fuzz demo install clean

all: build

build: ## static binaries in bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ ./cmd/cscs-sync ./cmd/waldur-sim ./cmd/lfs-sim

test: lint ## everything: formatting, vet, staticcheck, unit, property and end-to-end tests with the race detector
	GORACE=atexit_sleep_ms=20 $(GO) test -race -timeout 15m ./... # each process would sleep a second at its end
	$(GO) test -timeout 15m -run "TestKilledAnywhere|TestAttack|TestAllocations" ./cmd/cscs-sync # every kill point and attack, and allocations, without the race detector's weight

test-kernel: ## quotas of XFS and ext4 on a real kernel, in an emulated machine: needs qemu, Debian's packages and half a minute
	CGO_ENABLED=0 $(GO) test -c -tags kernel -o bin/kernel-tests/quota-linux ./providers/quota/linux
	$(GO) run ./cmd/internal/kerneltest bin/kernel-tests/quota-linux

test-long: lint ## the same with every kill point, 100,000 attacks, 10,000 rounds and a million tries
	CSCS_TEST_LONG=1 $(GO) test -timeout 4h ./...

lint:
	@unformatted=$$($(GO) tool -n staticcheck >/dev/null && gofmt -l cmd planner providers state); \
	  if [ -n "$$unformatted" ]; then echo "not gofmt'ed: $$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

bench: ## every number that is promised, as one table: measured, bound, holds (minutes, some GiB below TMPDIR)
	$(GO) run ./cmd/bench

fuzz: ## every fuzzer for FUZZTIME
	@for p in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	  echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$p || exit 1; done; done

demo: build ## the whole way of a change, without root, Lustre or network; leaves ./demo to play in
	@$(GO) run ./cmd/demo

install: build
	install -D -m 0755 bin/cscs-sync $(DESTDIR)/usr/local/sbin/cscs-sync

clean:
	rm -rf bin demo
