using SgLang.Core;
using SgLang.Interop;

namespace SgLang.Runtime.Tests;

/// <summary>Each wrapper passes its arguments in the right places: small shapes with values that can be checked by hand. The kernels have their own tests.</summary>
public sealed class OpsTests : IDisposable
{
    private readonly DeviceContext _device = DeviceContext.Create(DeviceKind.Cpu, numThreads: 2);
    private readonly List<DeviceBuffer> _buffers = [];

    public void Dispose()
    {
        foreach (DeviceBuffer buffer in _buffers) buffer.Dispose();
        _device.Dispose();
    }

    private Tensor F32(float[] values, params long[] shape)
    {
        Tensor tensor = New(DType.F32, shape);
        _device.Upload<float>(tensor, values);
        return tensor;
    }

    private Tensor I32(int[] values, params long[] shape)
    {
        Tensor tensor = New(DType.I32, shape);
        _device.Upload<int>(tensor, values);
        return tensor;
    }

    /// <summary>Poisoned: NaN or -1.</summary>
    private Tensor New(DType dtype, params long[] shape)
    {
        var buffer = new DeviceBuffer(_device, Math.Max(1, new Tensor(0, dtype, shape).NumBytes), "test");
        _buffers.Add(buffer);
        Tensor tensor = buffer.AsTensor(dtype, shape);
        _device.Fill(tensor, 0xFF);
        return tensor;
    }

    private float[] Floats(Tensor tensor)
    {
        var values = new float[tensor.NumElements];
        _device.Download(values.AsSpan(), tensor);
        return values;
    }

    private int[] Ints(Tensor tensor)
    {
        var values = new int[tensor.NumElements];
        _device.Download(values.AsSpan(), tensor);
        return values;
    }

    private static void Close(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++) Assert.True(Math.Abs(expected[i] - actual[i]) <= 1e-5 * Math.Max(1, Math.Abs(expected[i])), $"[{i}]: {actual[i]}, expected {expected[i]}");
    }

    private PackedWeight Weight(float[] values, long rows, long columns, int groups = 1)
    {
        var weight = new PackedWeight(_device, DType.F32, rows, columns, groups);
        for (int g = 0; g < groups; g++)
            weight.Load(F32(values[(int)(g * rows * columns)..(int)((g + 1) * rows * columns)], rows, columns), 0, g);
        return weight;
    }

    [Fact]
    public void Rms_norm_and_its_fused_sum()
    {
        Tensor x = F32([3, 4], 1, 2), weight = F32([1, 2], 2), y = New(DType.F32, 1, 2), residual = F32([-1, 2], 1, 2);
        Ops.RmsNorm(_device, y, x, weight, 0);
        float scale = 1 / MathF.Sqrt(12.5f);
        Close([3 * scale, 8 * scale], Floats(y));
        Ops.AddRmsNorm(_device, y, residual, x, weight, 0);
        Close([2, 6], Floats(residual));
        scale = 1 / MathF.Sqrt(20);
        Close([2 * scale, 12 * scale], Floats(y));
    }

    [Fact]
    public void Activations()
    {
        Tensor gateUp = F32([0, 1, 5, 7], 1, 4), y = New(DType.F32, 1, 2);
        Ops.SiluMul(_device, y, gateUp);
        float silu = 1 / (1 + MathF.Exp(-1));
        Close([0, 7 * silu], Floats(y));
        Ops.Add(_device, y, y, F32([1, 1], 1, 2));
        Close([1, 1 + 7 * silu], Floats(y));
        Ops.AddSigmoidGated(_device, y, F32([2, 4], 1, 2), F32([0], 1, 1));
        Close([2, 3 + 7 * silu], Floats(y));
    }

    [Fact]
    public void Linear_with_bias_residual_and_epilogue()
    {
        using PackedWeight weight = Weight([1, 2, 3, 4], 2, 2);
        Tensor x = F32([1, 10], 1, 2), y = New(DType.F32, 1, 2);
        Ops.Linear(_device, y, x, weight);
        Close([21, 43], Floats(y));
        Ops.Linear(_device, y, x, weight, bias: F32([0.5f, -0.5f], 2), residual: F32([100, 200], 1, 2));
        Close([121.5f, 242.5f], Floats(y));
        Ops.Linear(_device, y, x, weight, residual: y);
        Close([142.5f, 285.5f], Floats(y));
        Tensor half = New(DType.F32, 1, 1);
        Ops.Linear(_device, half, x, weight, epilogue: Epilogue.SiluMul);
        Close([21 / (1 + MathF.Exp(-21)) * 43], Floats(half));
    }

    [Fact]
    public void Rope_rotates_by_the_table_s_row()
    {
        Tensor q = F32([1, 0, 0, 1], 1, 2, 2), k = F32([3, 4], 1, 1, 2);
        // Position 1: cosine 0, sine 1, a quarter turn.
        Ops.Rope(_device, q, k, I32([1], 1), F32([1, 0, 0, 1], 2, 2));
        Close([0, 1, -1, 0], Floats(q));
        Close([-4, 3], Floats(k));
    }

    [Fact]
    public void Embedding_gather_resolve_and_scatter()
    {
        using PackedWeight weight = Weight([1, 2, 3, 4, 5, 6], 3, 2);
        Tensor y = New(DType.F32, 2, 2);
        Ops.Embedding(_device, y, weight, I32([2, 0], 2));
        Close([5, 6, 1, 2], Floats(y));
        Tensor picked = New(DType.F32, 1, 2);
        Ops.GatherRows(_device, picked, y, I32([1], 1));
        Close([1, 2], Floats(picked));
        Tensor last = I32([10, 11, 12], 3), ids = New(DType.I32, 2);
        Ops.TokenResolve(_device, ids, I32([5, -2], 2), last);
        Assert.Equal([5, 11], Ints(ids));
        Ops.TokenScatter(_device, last, I32([2, -1], 2), ids);
        Assert.Equal([10, 11, 5], Ints(last));
    }

    [Fact]
    public void Cache_append_copy_and_attention_over_one_token()
    {
        const int HeadDim = 32;
        var k = new float[HeadDim];
        var v = new float[HeadDim];
        for (int i = 0; i < HeadDim; i++) (k[i], v[i]) = (i, 100 + i);
        Tensor kCache = New(DType.F32, 3, 1, 2, HeadDim), vCache = New(DType.F32, 3, 1, 2, HeadDim);
        // Page 2, row 0.
        Ops.KvAppend(_device, kCache, vCache, F32(k, 1, 1, HeadDim), F32(v, 1, 1, HeadDim), I32([4], 1));
        Assert.Equal(k, Floats(kCache.Rows(2, 1))[..HeadDim]);
        Ops.KvCopy(_device, kCache, vCache, I32([1], 1), I32([2], 1));
        Assert.Equal(v, Floats(vCache.Rows(1, 1))[..HeadDim]);

        using var plan = new AttentionPlan(_device, new AttentionDesc(2, 1, HeadDim, 2, DType.F32, 0, 1, 0, 4, 4));
        plan.Update([0, 1], [1], [0], [1]);
        Tensor output = New(DType.F32, 1, 2, HeadDim);
        Ops.Attention(_device, plan, output, F32(new float[2 * HeadDim], 1, 2, HeadDim), kCache, vCache);
        Close([.. v, .. v], Floats(output));
        // A sink of logit 0 beside one score of 0 halves the result of its head.
        Ops.Attention(_device, plan, output, F32(new float[2 * HeadDim], 1, 2, HeadDim), kCache, vCache, F32([0, float.NegativeInfinity], 2));
        Close([.. v.Select(value => value / 2), .. v], Floats(output));
    }

    [Fact]
    public void A_batch_that_contradicts_itself_is_refused()
    {
        using var plan = new AttentionPlan(_device, new AttentionDesc(2, 1, 32, 2, DType.F32, 0, 1, 0, 4, 4));
        Assert.Throws<ArgumentException>(() => plan.Update([0], [1], [0], [1]));
        Assert.Throws<ArgumentException>(() => plan.Update([0, 1], [5], [0], [1, 2]));
    }

    [Fact]
    public void Routing_and_experts()
    {
        Tensor weights = New(DType.F32, 1, 2), ids = New(DType.I32, 1, 2);
        Ops.MoeRoute(_device, weights, ids, F32([0, MathF.Log(3), MathF.Log(4)], 1, 3), renormalize: false);
        Assert.Equal([2, 1], Ints(ids));
        Close([0.5f, 0.375f], Floats(weights));
        Ops.MoeRoute(_device, weights, ids, F32([0, MathF.Log(3), MathF.Log(4)], 1, 3), renormalize: true);
        Close([4f / 7, 3f / 7], Floats(weights));

        // Expert e: gate row [e + 1], up row [1], down [1]: silu((e + 1) x) x.
        using PackedWeight gateUp = Weight([1, 1, 2, 1, 3, 1], 2, 1, groups: 3), down = Weight([1, 1, 1], 1, 1, groups: 3);
        Tensor y = New(DType.F32, 1, 1);
        Ops.MoeExperts(_device, y, F32([1f], 1, 1), weights, ids, gateUp, down);
        float sum = 4f / 7 * 3 / (1 + MathF.Exp(-3)) + 3f / 7 * 2 / (1 + MathF.Exp(-2));
        Close([sum], Floats(y));

        // All of it in one call, onto a residual that is the result.
        Tensor stream = F32([10f], 1, 1), chosen = New(DType.I32, 1, 2);
        Ops.MoeExperts(_device, stream, F32([1f], 1, 1), weights, chosen, gateUp, down, residual: stream,
            routerLogits: F32([0, MathF.Log(3), MathF.Log(4)], 1, 3), renormalize: true);
        Assert.Equal([2, 1], Ints(chosen));
        Close([10 + sum], Floats(stream));
    }

    [Fact]
    public void Convert_rounds_to_nearest_even()
    {
        Tensor half = New(DType.BF16, 3), back = New(DType.F32, 3);
        Ops.Convert(_device, half, F32([1 + 1f / 256, 1 + 3f / 256, -2], 3));
        Ops.Convert(_device, back, half);
        Assert.Equal([1, 1 + 2f / 128, -2], Floats(back));
    }

    [Fact]
    public void Greedy_sampling_with_bias_and_penalty_and_log_probabilities()
    {
        Tensor logits = F32([1, 3, 2, 0, 5, 4], 2, 3), ids = New(DType.I32, 2);
        var rows = new SamplingRow[2];
        rows.AsSpan().Fill(new SamplingRow { TopP = 1, RepetitionPenalty = 1 });
        rows[1].PresencePenalty = 2;
        var lists = new SamplingLists { BiasStart = [0, 1, 1], BiasIds = [1], BiasValues = [float.NegativeInfinity], PenaltyStart = [0, 0, 1], PenaltyIds = [1], PenaltyCounts = [1] };
        Ops.Sample(_device, ids, default, logits, rows, lists);
        Assert.Equal([2, 2], Ints(ids));

        Tensor target = New(DType.F32, 1), top = New(DType.F32, 1, 2), topIds = New(DType.I32, 1, 2);
        Ops.Logprobs(_device, target, top, topIds, F32([0, MathF.Log(3), MathF.Log(4)], 1, 3), I32([0], 1));
        Close([MathF.Log(1f / 8)], Floats(target));
        Close([MathF.Log(4f / 8), MathF.Log(3f / 8)], Floats(top));
        Assert.Equal([2, 1], Ints(topIds));
    }

    [Fact]
    public void Errors_carry_the_library_s_message()
    {
        var error = Assert.Throws<SglException>(() => Ops.RmsNorm(_device, New(DType.F32, 1, 3), F32([1, 2], 1, 2), F32([1, 2], 2), 0));
        Assert.Equal(SglStatus.InvalidArgument, error.Status);
        Assert.Contains("rms_norm", error.Message);
    }

    [Fact]
    public void Operators_allocate_nothing()
    {
        Tensor x = F32([3, 4], 1, 2), weight = F32([1, 2], 2), y = New(DType.F32, 1, 2), ids = New(DType.I32, 1);
        var rows = new SamplingRow[1];
        rows[0] = new SamplingRow { TopP = 1, RepetitionPenalty = 1, Temperature = 1, Seed = 5 };
        using PackedWeight matrix = Weight([1, 2, 3, 4], 2, 2);
        for (int i = 0; i < 3; i++) All();
        Assert.Equal(0, Allocation.Of(() =>
        {
            for (int i = 0; i < 100; i++) All();
        }));

        void All()
        {
            Ops.RmsNorm(_device, y, x, weight, 0);
            Ops.Linear(_device, y, x, matrix, residual: y);
            Ops.Sample(_device, ids, default, y, rows);
        }
    }
}
