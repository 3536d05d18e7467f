package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/providers/posix"
)

func (a *app) archiveCommand() *cobra.Command {
	return group("archive", "archived directories", a.archiveListCommand(), a.archiveRestoreCommand(), a.archiveRescanCommand())
}

func (a *app) archiveListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list archived directories",
		Args:  arguments(0, 0),
		Long: `Nothing is ever deleted: --expired lists what is past its retention, for people
to decide.`,
	}
	f := cmd.Flags()
	expired := f.Bool("expired", false, "only what is past its retention")
	asJSON := f.Bool("json", false, "print them as a JSON array")
	cmd.RunE = func(_ *cobra.Command, _ []string) error { return a.listArchive(*expired, *asJSON) }
	return cmd
}

func (a *app) archiveRestoreCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "restore ADDRESS", Short: "write a plan that brings an archived directory back", Args: arguments(1, 1)}
	f := cmd.Flags()
	var o planOptions
	f.StringVar(&o.out, "out", "", "write the plan to `FILE` (needed)")
	f.StringArrayVar(&o.resources, "resources", nil, "read saved responses from `FILE` in place of the proxy")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return o.restore(cmd.Context(), a, args[0]) }
	return cmd
}

func (a *app) archiveRescanCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "rescan", Short: "rebuild the archive register from the manifests", Args: arguments(0, 0)}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.rescan(cmd.Context()) }
	return cmd
}

func (a *app) listArchive(expired, asJSON bool) error {
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	register := []planner.Archived{}
	if err := s.store.View(func(tx ledger.Tx) error {
		found, err := tx.ArchiveRegister()
		register = append(register, found...)
		return err
	}); err != nil {
		return err
	}
	if expired {
		register = slices.DeleteFunc(register, func(x planner.Archived) bool { return x.Until.After(a.now()) })
	}
	sortBy(register, func(x planner.Archived) string { return x.Address + " " + x.Archive })
	if asJSON {
		return a.printJSON(register)
	}
	if len(register) == 0 && expired {
		return a.print("Nothing is past its retention.\n")
	}
	if len(register) == 0 {
		return a.print("Nothing is archived.\n")
	}
	var b strings.Builder
	for _, x := range register {
		kept := "kept until " + day(x.Until)
		if !x.Until.After(a.now()) {
			kept = "past its retention since " + day(x.Until)
		}
		fmt.Fprintf(&b, "%s\n  archived %s, %s\n  in %s\n", render.Quote(x.Address), planner.Minute(x.At), kept, x.Archive)
	}
	return a.print(b.String())
}

// restore writes a plan for one archived directory.
func (o *planOptions) restore(ctx context.Context, a *app, address string) error {
	if o.out == "" {
		return &usageError{"archive restore", errors.New("--out FILE is needed: a restore is approved and applied like every plan")}
	}
	if err := checkOut(o.out); err != nil {
		return &usageError{"archive restore", err}
	}
	_, p, err := o.plan(ctx, a, planner.Selection{Restores: []string{address}})
	if err != nil {
		return err
	}
	if err := a.showPlan(p.Plan); err != nil {
		return err
	}
	if len(p.Plan.Core.Actions) == 0 {
		return engine.Refuse(engine.Input, fmt.Errorf("%s cannot be restored; see above, and `cscs-sync archive list`", address))
	}
	return a.writePlan(o.out, p.Plan)
}

// rescan reads all manifests, and makes the register anew from those whose directories stand.
func (a *app) rescan(ctx context.Context) error {
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	found, problems, err := s.manifests(ctx)
	if err != nil {
		return err
	}
	for _, p := range problems {
		a.tell("Warning: %v", p)
	}
	err = a.locked(ctx, func(tx ledger.Tx) error {
		before, err := tx.ArchiveRegister()
		if err != nil {
			return err
		}
		if err := tx.ReplaceArchiveRegister(found); err != nil {
			return err
		}
		text := fmt.Sprintf("%d in the register before, %d now", len(before), len(found))
		_, err = tx.AppendHistory(ledger.Entry{Who: a.user, Host: a.host, Event: eventRescan, Text: text})
		return err
	})
	if err != nil {
		return err
	}
	said := fmt.Sprintf("%d archived directories are in the register.\n", len(found))
	if len(found) == 1 {
		said = "1 archived directory is in the register.\n"
	}
	if err := a.print(said); err != nil {
		return err
	}
	if len(problems) > 0 {
		return ended(exitPartial)
	}
	return nil
}

// manifests reads the manifests of all systems' archives: a manifest is a [planner.Archived] as JSON, root's own, beside
// the directory that it describes.
func (s *session) manifests(ctx context.Context) (found []planner.Archived, problems []error, err error) {
	recorded, err := s.store.Recorded()
	if err != nil {
		return nil, nil, err
	}
	storage, done, err := s.site().Storage(ctx, recorded.Roots)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	seen := map[string]bool{}
	for _, settings := range s.cfg.Settings.Systems {
		if seen[settings.Archive] {
			continue
		}
		seen[settings.Archive] = true
		sys, err := storage.System(settings.Name)
		if err != nil {
			return nil, nil, err
		}
		list, err := sys.Manifests(settings.Archive)
		if err != nil {
			return nil, nil, err
		}
		some, wrong := readManifests(settings.Archive, list)
		found, problems = append(found, some...), append(problems, wrong...)
	}
	return found, problems, nil
}

// readManifests picks the manifests whose directories stand beside them. Attempts that were killed leave manifests without a
// directory, which say nothing; of several about one directory the newest counts.
func readManifests(folder string, list []posix.Manifest) (found []planner.Archived, problems []error) {
	newest := map[string]planner.Archived{}
	for _, m := range list {
		wrong := func(format string, args ...any) {
			problems = append(problems, fmt.Errorf("manifest %s/%s: "+format, append([]any{folder, m.File}, args...)...))
		}
		x, err := readManifest(m.Data, m.Err)
		switch {
		case err != nil:
			wrong("%w", err)
		case x.Archive != folder+"/"+m.Name && m.Directory.State == planner.DirPresent:
			wrong("it describes another place, %s: move both back there", render.Quote(x.Archive))
		case m.Directory.State == planner.DirPresent && m.Directory.Inode == x.Inode:
			if other, ok := newest[x.Archive]; !ok || x.At.After(other.At) {
				newest[x.Archive] = x
			}
		case m.Directory.State != planner.DirAbsent:
			wrong("what stands beside it is not the directory that it describes")
		}
	}
	return slices.Collect(maps.Values(newest)), problems
}

func readManifest(data []byte, err error) (planner.Archived, error) {
	var x planner.Archived
	if err != nil {
		return x, err
	}
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	return x, d.Decode(&x)
}
