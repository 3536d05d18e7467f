package browser

import (
	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// Samples are pages of every kind, by name.
func Samples() map[string][]byte {
	return map[string][]byte{
		"plan":         render.HTML(plantest.Mixed(), render.Options{}),
		"plan-rare":    render.HTML(plantest.Typical()["rare"](), render.Options{}),
		"plan-long":    render.HTML(plantest.Thousand(), render.Options{}),
		"plan-shared":  render.HTML(plantest.Shared(40), render.Options{}),
		"plan-hostile": render.HTML(plantest.Hostile(), render.Options{Commands: true}),
		"plan-empty":   render.HTML(plantest.Base(), render.Options{}),
	}
}
