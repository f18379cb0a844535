using static SgLang.Interop.SglNative;

namespace SgLang.Interop.Tests;

public sealed unsafe class SglNativeTests
{
    [Fact]
    public void A_failed_call_throws_its_status_and_the_native_message()
    {
        SglException error = Assert.Throws<SglException>(() => FailWithOrdinal(-7));

        Assert.Equal(SglStatus.InvalidArgument, error.Status);
        Assert.Equal(Text(sgl_last_error()), error.Message);
        Assert.Contains("-7", error.Message);
    }

    [Fact]
    public void A_null_argument_is_an_error_and_not_a_crash()
    {
        SglException error = Assert.Throws<SglException>(() => Check(sgl_device_get_info(null, SglDeviceKind.Cpu, 0)));

        Assert.Equal(SglStatus.InvalidArgument, error.Status);
    }

    [Fact]
    public void A_failure_on_another_thread_leaves_this_threads_message_alone()
    {
        Assert.Throws<SglException>(() => FailWithOrdinal(-7));
        string before = Text(sgl_last_error());

        var other = new Thread(() => Assert.Throws<SglException>(() => FailWithOrdinal(-8)));
        other.Start();
        other.Join();

        Assert.Equal(before, Text(sgl_last_error()));
    }

    [Fact]
    public void Success_does_not_throw() => Check(SglStatus.Ok);

    [Fact]
    public void Text_decodes_utf8_of_every_length()
    {
        ReadOnlySpan<byte> utf8 = "naïve 你好 🙂\0"u8;
        fixed (byte* text = utf8)
        {
            Assert.Equal("naïve 你好 🙂", Text(text));
        }
        Assert.Equal("", Text(null));
    }

    [Fact]
    public void Structs_with_text_and_handles_survive_the_round_trip()
    {
        SglDeviceInfo info;
        Check(sgl_device_get_info(&info, SglDeviceKind.Cpu, 0));
        Assert.Equal(SglDeviceKind.Cpu, info.Kind);
        Assert.True(info.NumProcessors > 0);
        Assert.True(info.TotalMemoryBytes >= info.FreeMemoryBytes && info.FreeMemoryBytes > 0);
        Assert.NotEqual("", Text(info.Name));
        Assert.Contains(Text(info.Isa), new[] { "avx512_bf16", "avx512", "avx2", "generic" });

        var options = new SglContextOptions { Kind = SglDeviceKind.Cpu, NumThreads = 1 };
        SglContext context;
        Check(sgl_context_create(&context, &options));
        Assert.False(context.IsNull);
        int threads;
        Check(sgl_context_num_threads(context, &threads));
        Assert.Equal(1, threads);
        sgl_context_destroy(context);
    }

    [Fact]
    public void Destroying_null_does_nothing()
    {
        sgl_context_destroy(default);
        sgl_event_destroy(default);
        sgl_graph_destroy(default);
        sgl_weight_destroy(default);
        sgl_attention_plan_destroy(default);
    }

    [Fact]
    public void The_version_is_the_projects() => Assert.Matches(@"^\d+\.\d+\.\d+", Text(sgl_version()));

    private static void FailWithOrdinal(int ordinal)
    {
        SglDeviceInfo info;
        Check(sgl_device_get_info(&info, SglDeviceKind.Cpu, ordinal));
    }
}
