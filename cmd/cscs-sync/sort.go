package main

import (
	"slices"
	"strings"
	"time"
)

// sortBy sorts a list by one text of its elements.
func sortBy[T any](list []T, text func(T) string) {
	slices.SortStableFunc(list, func(a, b T) int { return strings.Compare(text(a), text(b)) })
}

// day is a date as tables show it.
func day(t time.Time) string { return t.UTC().Format("2006-01-02") }
