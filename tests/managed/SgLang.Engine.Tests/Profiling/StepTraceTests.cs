using SgLang.Profiling;

namespace SgLang.Engine.Tests.Profiling;

public sealed class StepTraceTests
{
    [Fact]
    public void What_another_node_is_told_of_a_step_is_what_was_decided()
    {
        Assert.Equal(0, default(StepTrace).Pack());
        Assert.Equal(default, StepTrace.Unpack(0));
        foreach (TraceStage stage in Enum.GetValues<TraceStage>())
        {
            for (int bits = 0; bits < 32; bits++)
            {
                StepTrace trace = new((bits & 1) != 0, stage, (bits & 2) != 0, (bits & 4) != 0 ? 1 : 0, (bits & 8) != 0, (bits & 16) != 0);
                Assert.Equal(trace, StepTrace.Unpack(trace.Pack()));
            }
        }
        // Windows have numbers of their own on each node.
        Assert.Equal(1, StepTrace.Unpack(new StepTrace(true, TraceStage.Any, false, DeviceWindow: 77).Pack()).DeviceWindow);
    }
}
