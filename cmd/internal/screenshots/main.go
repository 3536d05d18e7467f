// Screenshots writes pictures of the main pages, for the documentation.
//
//	go run ./cmd/internal/screenshots FOLDER
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/waldur/cscs-storage-sync/cmd/internal/browser"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "screenshots: give the folder to write to")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "screenshots:", err)
		os.Exit(1)
	}
}

// shots returns the pictures: which page, and how it is shown.
func shots() map[string]struct {
	sample string
	view   browser.View
} {
	type shot = struct {
		sample string
		view   browser.View
	}
	return map[string]shot{
		"plan.png":        {"plan", browser.View{Width: 1100, Height: 1500}},
		"plan-dark.png":   {"plan", browser.View{Width: 1100, Height: 1500, Dark: true}},
		"status.png":      {"status", browser.View{Width: 1100, Height: 1300}},
		"report.png":      {"report", browser.View{Width: 1100, Height: 1700}},
		"plan-narrow.png": {"plan", browser.View{Width: 400, Height: 900}},
	}
}

func run(ctx context.Context, folder string) error {
	b, err := browser.Start(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	samples := browser.Samples()
	for name, s := range shots() {
		if err := b.Open(samples[s.sample], s.view); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		png, err := b.Screenshot()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), png, 0o644); err != nil {
			return err
		}
	}
	return nil
}
