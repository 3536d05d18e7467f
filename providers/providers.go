package providers

// Progress is told how far long work has come. work names it for people ("Looking at directories").
// done of total items are done; a total of 0 is unknown. Calls come one at a time.
type Progress func(work string, done, total int)
