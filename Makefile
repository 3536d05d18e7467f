# Everything here needs Go and make. `make test` gets what else it needs, or says what it leaves out.

GO       ?= go
FUZZTIME ?= 10m
PREFIX   ?= /usr/local
# A release takes its version from the tag, and all times in it from the commit, so that it is the same bit for bit each time.
VERSION    ?= $(patsubst v%,%,$(shell git describe --tags --exact-match 2>/dev/null))
BUILD_TIME ?= $(shell git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null)
COMMIT     ?= $(shell git rev-parse HEAD 2>/dev/null)
INTO        = github.com/waldur/cscs-storage-sync/cmd/internal/build
STAMP       = -X $(INTO).tag=$(VERSION) -X $(INTO).revision=$(COMMIT) -X $(INTO).built=$(BUILD_TIME)
ARCHES      = amd64 arm64
export TZ = UTC

.PHONY: all build manual setup test test-kernel test-packages test-long lint bench fuzz demo screenshots install uninstall tools packages release vulnerabilities clean

all: build

build: manual ## static binaries, manual pages and completions in bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "$(STAMP)" -o bin/ ./cmd/cscs-sync ./cmd/waldur-sim ./cmd/lfs-sim ./cmd/vast-sim

manual: ## manual pages and completions, from the definitions of the commands
	rm -rf bin/share && mkdir -p bin/share/completion
	$(GO) run -tags man -ldflags "$(STAMP)" ./cmd/cscs-sync man bin/share/man
	gzip -9n bin/share/man/*
	for shell in bash zsh fish; do $(GO) run ./cmd/cscs-sync completion $$shell > bin/share/completion/$$shell || exit 1; done

setup: ## what the tests need beside Go: installed where that may be done, else named with the tests that are left out
	@$(GO) run ./cmd/internal/setup

test: setup lint ## everything: formatting, vet, staticcheck, unit, property and end-to-end tests with the race detector
	GORACE=atexit_sleep_ms=20 $(GO) test -race -timeout 2h ./... # each process would sleep a second at its end
	$(GO) test -timeout 2h -run "TestKilledAnywhere|TestOutboxAfterAKill|TestAttack|TestAllocations|TestTheContextDecidesNothing|TestSingleByteEdits|TestTamperedText|TestSizes|TestRandomBytes" ./cmd/cscs-sync ./planner/planfile # every kill point, attack and edit, and allocations, without the race detector's weight

test-kernel: ## quotas and the whole program on XFS and ext4, on a real kernel in an emulated machine: needs qemu and Debian's packages
	@$(GO) run ./cmd/internal/setup -kind kernel
	CGO_ENABLED=0 $(GO) test -c -tags kernel -o bin/kernel-tests/quota-linux ./providers/quota/linux
	CGO_ENABLED=0 $(GO) test -c -tags kernel -ldflags "-s -w" -o bin/kernel-tests/cscs-sync-test ./cmd/cscs-sync
	$(GO) run ./cmd/internal/kerneltest bin/kernel-tests/quota-linux bin/kernel-tests/cscs-sync-test:^TestKernel

test-long: lint ## the same with every kill point, 100,000 attacks, 10,000 rounds and a million tries
	CSCS_TEST_LONG=1 $(GO) test -timeout 24h ./...

lint: vulnerabilities
	@unformatted=$$($(GO) tool -n staticcheck >/dev/null && gofmt -l cmd planner providers state); \
	  if [ -n "$$unformatted" ]; then echo "not gofmt'ed: $$unformatted"; exit 1; fi
	$(GO) vet ./... && $(GO) vet -tags "kernel man packages" ./...
	$(GO) tool staticcheck ./...
	$(GO) mod verify

vulnerabilities: tools ## known weaknesses of what the program uses; says so if the database cannot be reached
	@bin/tools/govulncheck ./...; code=$$?; if [ $$code -eq 3 ]; then exit 3; elif [ $$code -ne 0 ]; then \
	  echo "not checked for known weaknesses: the database of vulnerabilities cannot be reached"; fi

bench: ## every number that is promised, as one table: measured, bound, holds (minutes, some GiB below TMPDIR)
	$(GO) run ./cmd/bench -svg docs/understanding/performance.svg

fuzz: ## every fuzzer for FUZZTIME
	@for p in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	  echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$p || exit 1; done; done

demo: build ## the whole way of a change, without root, Lustre or network; leaves ./demo to play in
	@$(GO) run ./cmd/demo

screenshots: setup ## pictures of the main pages, for docs/: needs chromium
	$(GO) run ./cmd/internal/screenshots docs/screenshots

# What is installed, as SOURCE:TARGET:MODE below PREFIX. BIN is the program.
BIN       = bin/cscs-sync
INSTALLED = $(BIN):bin/cscs-sync:0755 \
  $(foreach n,1 5 7,$(foreach p,$(wildcard bin/share/man/*.$(n).gz),$(p):share/man/man$(n)/$(notdir $(p)):0644)) \
  bin/share/completion/bash:share/bash-completion/completions/cscs-sync:0644 \
  bin/share/completion/zsh:share/zsh/site-functions/_cscs-sync:0644 \
  bin/share/completion/fish:share/fish/vendor_completions.d/cscs-sync.fish:0644 \
  examples/prometheus/alerts.yml:share/cscs-sync/alerts.yml:0644 \
  examples/prometheus/dashboard.json:share/cscs-sync/dashboard.json:0644 \
  LICENSE:share/doc/cscs-sync/copyright:0644 CHANGELOG.md:share/doc/cscs-sync/changelog.md:0644 \
  planner/config/template.hcl:share/doc/cscs-sync/cscs-sync.hcl:0644
UNITS     = $(notdir $(wildcard examples/systemd/*))

install: ## copies what `make build` made to PREFIX, /usr/local by default; builds nothing, so root needs no Go
	@test -x $(BIN) || { echo "nothing is built yet: run 'make build' as yourself, then 'make install' again"; exit 1; }
	@for f in $(INSTALLED); do IFS=:; set -- $$f; install -D -m "$$3" "$$1" "$(DESTDIR)$(PREFIX)/$$2" || exit 1; done
	@install -d "$(DESTDIR)$(PREFIX)/lib/systemd/system"
	@for u in $(UNITS); do sed 's|/usr/local/bin/|$(PREFIX)/bin/|' examples/systemd/$$u > "$(DESTDIR)$(PREFIX)/lib/systemd/system/$$u" && \
	  chmod 0644 "$(DESTDIR)$(PREFIX)/lib/systemd/system/$$u" || exit 1; done
	@echo "installed to $(DESTDIR)$(PREFIX); nothing was started"

uninstall: ## removes what `make install` has installed; configuration and state stay
	@for f in $(INSTALLED); do IFS=:; set -- $$f; rm -f "$(DESTDIR)$(PREFIX)/$$2"; done
	@for u in $(UNITS); do rm -f "$(DESTDIR)$(PREFIX)/lib/systemd/system/$$u"; done
	@rmdir "$(DESTDIR)$(PREFIX)/share/cscs-sync" "$(DESTDIR)$(PREFIX)/share/doc/cscs-sync" 2>/dev/null || true

tools: bin/tools/nfpm ## what makes packages and looks for known weaknesses, from the Go module proxy

bin/tools/nfpm: cmd/internal/tools/go.mod
	$(GO) -C cmd/internal/tools build -o $(CURDIR)/bin/tools/ tool
	@touch $@

packages: manual tools ## .deb and .rpm for amd64 and arm64 in bin/packages
	rm -rf bin/packages bin/tree && mkdir -p bin/packages
	mkdir -p bin/tree && cp planner/config/template.hcl bin/tree/cscs-sync.hcl.example
	sed 's/BUILD_TIME/$(BUILD_TIME)/' .nfpm.yaml > bin/tree/nfpm.yaml
	for arch in $(ARCHES); do \
	  CGO_ENABLED=0 GOARCH=$$arch $(GO) build -trimpath -buildvcs=false -ldflags "-s -w $(STAMP)" -o bin/tree-$$arch/cscs-sync ./cmd/cscs-sync && \
	  $(MAKE) --no-print-directory install DESTDIR=bin/tree/$$arch PREFIX=/usr BIN=bin/tree-$$arch/cscs-sync && \
	  find bin/tree -exec touch -d $(BUILD_TIME) {} + && \
	  for kind in deb rpm; do ARCH=$$arch VERSION=$(or $(VERSION),0.0.0) SOURCE_DATE_EPOCH=$$(date -d $(BUILD_TIME) +%s) \
	    bin/tools/nfpm package --config bin/tree/nfpm.yaml --packager $$kind --target bin/packages/ || exit 1; done; done

test-packages: packages ## installs the package on this machine (root, Debian), tries it, and removes it again
	@$(GO) run ./cmd/internal/setup -kind packages
	$(GO) test -count=1 -tags packages ./cmd/internal/packagetest

release: ## everything of a release in bin/release, from a clean tree with a tag; the same bit for bit each time
	@test -z "$$(git status --porcelain)" || { echo "the tree has changes that are not committed: a release is made from a commit"; exit 1; }
	@test -n "$(VERSION)" || { echo "this commit has no tag: run 'git tag v1.2.3' first"; exit 1; }
	$(MAKE) --no-print-directory packages
	rm -rf bin/release && mkdir -p bin/release && cp bin/packages/* bin/release/
	for arch in $(ARCHES); do tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=$(BUILD_TIME) -C bin/tree/$$arch -cf - usr | \
	  gzip -9n > bin/release/cscs-sync_$(VERSION)_linux_$$arch.tar.gz || exit 1; done
	bin/tools/cyclonedx-gomod app -json -licenses=false -main cmd/cscs-sync -noserial -notimestamp -output bin/release/cscs-sync_$(VERSION).cdx.json .
	cd bin/release && sha256sum * > SHA256SUMS

clean:
	rm -rf bin demo
