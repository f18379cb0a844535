using SgLang.Core;
using SgLang.Runtime;

namespace SgLang.Models.Tests;

public class ModelLoaderTests
{
    private static readonly int[] s_prompt = [.. Enumerable.Range(3, 150)];

    private static IModel Load(DeviceContext device, string directory, string overrides = "{}", LoadFormat format = LoadFormat.Auto, ModelDType dtype = ModelDType.Float32) =>
        ModelLoader.Load(device, directory, new ModelLoadOptions { DType = dtype, LoadFormat = format, JsonModelOverrideArgs = overrides });

    /// <summary>Logits after each token of a prompt.</summary>
    private static float[][] Run(DeviceContext device, IModel model, int[] prompt)
    {
        using var runner = new StepRunner(device, model, pageSize: 16, maxTokens: 256);
        return runner.Step([(new Sequence(prompt), prompt.Length)], allRows: true);
    }

    [Fact]
    public void Sharded_and_single_files_give_equal_logits()
    {
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu);
        using IModel single = Load(device, TestFiles.Model("llama"));
        using TemporaryDirectory copy = TemporaryDirectory.CopyOf("llama");
        WeightReaderTests.Shard(copy);
        using IModel sharded = Load(device, copy.Path);
        Assert.Equal(Run(device, single, s_prompt), Run(device, sharded, s_prompt));
    }

    [Fact]
    public void A_window_switched_off_changes_only_what_lies_beyond_it()
    {
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu);
        using IModel windowed = Load(device, TestFiles.Model("mistral"));
        using IModel full = Load(device, TestFiles.Model("mistral"), """{"sliding_window": null}""");
        float[][] a = Run(device, windowed, s_prompt), b = Run(device, full, s_prompt);
        for (int i = 0; i < 48; i++)
            for (int j = 0; j < a[i].Length; j++) Assert.Equal(a[i][j], b[i][j], 1e-4);
        Assert.True(a[140].Zip(b[140], (x, y) => Math.Abs(x - y)).Max() > 0.01);
    }

    [Theory]
    [InlineData("demo")]
    [InlineData("mixtral")]
    [InlineData("qwen2")]
    [InlineData("qwen3-moe")]
    public void Dummy_weights_need_only_a_config_and_are_finite_and_repeatable(string name)
    {
        using var directory = new TemporaryDirectory();
        File.Copy(Path.Combine(TestFiles.Model(name), "config.json"), directory.File("config.json"));
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu);
        using IModel first = Load(device, directory.Path, format: LoadFormat.Dummy, dtype: ModelDType.BFloat16);
        using IModel second = Load(device, directory.Path, format: LoadFormat.Dummy, dtype: ModelDType.BFloat16);
        float[][] logits = Run(device, first, s_prompt);
        Assert.All(logits, row => Assert.All(row, value => Assert.True(float.IsFinite(value))));
        Assert.Contains(logits[0], value => value != 0);
        Assert.Equal(logits, Run(device, second, s_prompt));
    }

    [Fact]
    public void A_model_with_a_shared_expert_runs_on_dummy_weights()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory.File("config.json"), """
            {"architectures": ["Qwen2MoeForCausalLM"], "hidden_size": 64, "intermediate_size": 96, "moe_intermediate_size": 48, "shared_expert_intermediate_size": 80,
             "num_attention_heads": 2, "num_key_value_heads": 1, "num_hidden_layers": 2, "vocab_size": 200, "num_experts": 6, "num_experts_per_tok": 2,
             "mlp_only_layers": [0], "torch_dtype": "bfloat16"}
            """);
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu);
        using IModel model = Load(device, directory.Path, format: LoadFormat.Dummy);
        Assert.Contains("model.layers.0.mlp.gate_up_proj", model.ModulePaths);
        Assert.Contains("model.layers.1.mlp.shared_expert.gate_up_proj", model.ModulePaths);
        Assert.All(Run(device, model, s_prompt), row => Assert.All(row, value => Assert.True(float.IsFinite(value))));
    }

    [Fact]
    public void Progress_rises_to_the_total()
    {
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu);
        var reports = new List<(long Done, long Total)>();
        using IModel model = ModelLoader.Load(device, TestFiles.Model("mixtral"), new ModelLoadOptions { Progress = (done, total) => reports.Add((done, total)) });
        Assert.Equal(0, reports[0].Done);
        Assert.Equal(reports.Order(), reports);
        Assert.Equal(reports[^1].Total, reports[^1].Done);
        // Every tensor of this file is used, so the total is its data.
        Assert.InRange(reports[^1].Total, 1_600_000, new FileInfo(Path.Combine(TestFiles.Model("mixtral"), "model.safetensors")).Length);
    }

    [Fact]
    public void A_tied_head_is_stored_once()
    {
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu);
        using IModel tied = Load(device, TestFiles.Model("qwen3"), format: LoadFormat.Dummy);
        using IModel untied = Load(device, TestFiles.Model("qwen3"), """{"tie_word_embeddings": false}""", LoadFormat.Dummy);
        Assert.Equal(512 * 128 * 4, untied.WeightBytes - tied.WeightBytes);
    }

    [Fact]
    public void Module_paths_are_those_of_the_checkpoint_with_merged_projections()
    {
        using DeviceContext meta = DeviceContext.CreateMeta();
        using IModel model = Load(meta, TestFiles.Model("qwen3"));
        Assert.Equal(["model", "model.embed_tokens", "model.layers.0", "model.layers.0.input_layernorm", "model.layers.0.self_attn", "model.layers.0.self_attn.qkv_proj",
            "model.layers.0.self_attn.q_norm", "model.layers.0.self_attn.k_norm", "model.layers.0.self_attn.o_proj", "model.layers.0.post_attention_layernorm",
            "model.layers.0.mlp", "model.layers.0.mlp.gate_up_proj", "model.layers.0.mlp.down_proj", "model.layers.1", "model.layers.1.input_layernorm"], model.ModulePaths.Take(15));
        Assert.Equal(["model.norm", "lm_head"], model.ModulePaths.TakeLast(2));
    }

    [Fact]
    public void Memory_questions_are_answered_from_shapes()
    {
        using DeviceContext meta = DeviceContext.CreateMeta();
        using IModel model = Load(meta, TestFiles.Demo, dtype: ModelDType.BFloat16);
        Assert.Equal(2 * 6 * 2 * 64 * 2, model.KvBytesPerToken);
        // The file's tensors and the rotary table, F32 [2048, 64].
        Assert.InRange(model.WeightBytes - 2048 * 64 * 4, 10_940_000, 10_957_216);
        Assert.True(model.ActivationBytes(512, 1) < model.ActivationBytes(512, 512));
        Assert.True(model.ActivationBytes(1, 1) < model.ActivationBytes(512, 1));
    }

    [Fact]
    public void Logits_taken_in_blocks_equal_those_taken_at_once()
    {
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu);
        using IModel model = Load(device, TestFiles.Model("llama"));
        float[][] all = Run(device, model, s_prompt);
        using var runner = new StepRunner(device, model, pageSize: 16, maxTokens: 256);
        runner.Prepare([(new Sequence(s_prompt), s_prompt.Length)], allRows: false);
        using var rowBuffer = new DeviceBuffer(device, 4 * 64, "rows");
        Tensor hidden = model.ForwardHidden(runner.Context);
        for (int start = 0; start < s_prompt.Length; start += 64)
        {
            int count = Math.Min(64, s_prompt.Length - start);
            using DeviceArena.Scope block = runner.Arena.EnterScope();
            Tensor rows = rowBuffer.AsTensor(DType.I32, count);
            device.Upload<int>(rows, [.. Enumerable.Range(start, count)]);
            Tensor logits = model.Logits(runner.Context, hidden, rows);
            var values = new float[logits.NumElements];
            device.Download(values.AsSpan(), logits);
            for (int i = 0; i < count; i++)
                for (int j = 0; j < 512; j++) Assert.Equal(all[start + i][j], values[i * 512 + j], 1e-4);
        }
    }

    [Theory]
    [InlineData("demo")]
    [InlineData("qwen3-moe")]
    public void A_steady_decode_step_allocates_nothing(string name)
    {
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu);
        using IModel model = Load(device, TestFiles.Model(name), dtype: ModelDType.BFloat16);
        using var runner = new StepRunner(device, model, pageSize: 16, maxTokens: 64);
        Sequence[] sequences = [.. Enumerable.Range(1, 8).Select(i => new Sequence(Enumerable.Range(1, 40)))];
        foreach (Sequence sequence in sequences) runner.Step([(sequence, 30)], allRows: false);
        runner.Prepare([.. sequences.Select(s => (s, 1))], allRows: false);
        int[] queryStart = [0, 1, 2, 3, 4, 5, 6, 7, 8], kvLength = [31, 31, 31, 31, 31, 31, 31, 31], pageStart = [0, 2, 4, 6, 8, 10, 12, 14];
        int[] pages = [.. sequences.SelectMany(s => s.Pages)];
        for (int i = 0; i < 3; i++) Step();
        Assert.Equal(0, Allocation.Of(() =>
        {
            for (int i = 0; i < 100; i++) Step();
        }));

        void Step()
        {
            runner.Context.Attention.Update(queryStart, kvLength, pageStart, pages);
            runner.Arena.Reset();
            Tensor logits = model.Forward(runner.Context);
            if (logits.NumRows != 8) throw new InvalidOperationException();
        }
    }
}
