package main

import (
	"os"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
)

func main() {
	os.Exit(lfssim.Main(os.Args, os.Getenv, os.Stdout, os.Stderr))
}
