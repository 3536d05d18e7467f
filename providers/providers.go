package providers

// Progress hears how far long work is: what the work is, in words for people ("Looking at directories"), and how many of
// how many are done; a total of 0 is not known. Calls come one at a time.
type Progress func(work string, done, total int)
